"""Tokens of users with many roles: taken up to the setting, and never for each other."""

import time

import jwt
import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.identity.auth import Authenticator

SECRET = b"s" * 32
SITE = {"iss": "https://site.test", "aud": "votes"}


def token(user: int, roles: int) -> bytes:
    """A token whose list of roles makes it long; 37 bytes or so for each."""
    claims = SITE | {
        "sub": str(user),
        "exp": time.time() + 600,
        "roles": [f"role-of-the-site-{n:08}" for n in range(roles)],
    }
    return jwt.encode(claims, SECRET, "HS256").encode()


def authenticator(**given: int) -> Authenticator:
    """One that knows the secret."""
    return Authenticator(issuer=SITE["iss"], audience=SITE["aud"], secrets=[SECRET], **given)


@pytest.mark.parametrize("roles", [0, 20, 60, 130, 200])
def test_a_long_token_is_a_token(roles: int) -> None:
    """Up to 8 kB unless the setting says otherwise, the first time and each time after."""
    auth, users = authenticator(), (7, 8)
    tokens = {user: token(user, roles) for user in users}
    assert roles < 200 or 7_000 < len(tokens[7]) <= 8_192

    for _ in range(2):
        found = [auth.principal([(b"authorization", b"Bearer " + tokens[user])]).user_id for user in users]
        assert found == list(users)


def test_a_change_anywhere_in_it_is_noticed() -> None:
    """What is remembered is the digest of all of it."""
    auth, good = authenticator(), token(7, 200)
    auth.principal([(b"authorization", b"Bearer " + good)])
    for at in (20, len(good) // 2, len(good) - 5):
        other = b"A" if good[at : at + 1] != b"A" else b"B"
        with pytest.raises(ProblemError, match="bad_token"):
            auth.principal([(b"authorization", b"Bearer " + good[:at] + other + good[at + 1 :])])


@pytest.mark.parametrize(("max_bytes", "allowed"), [(8_192, False), (16_384, True)])
def test_the_setting_bounds_it(max_bytes: int, *, allowed: bool) -> None:
    """What is longer is not looked at, and the detail names the setting."""
    auth, held = authenticator(max_bytes=max_bytes), b"Bearer " + token(7, 300)
    assert 8_192 < len(held) < 16_384
    if allowed:
        assert auth.principal([(b"authorization", held)]).user_id == 7
    else:
        with pytest.raises(ProblemError) as refused:
            auth.principal([(b"authorization", held)])
        assert refused.value.detail == "longer than 8192 bytes, which api.token_limit allows"
