"""The head of a token that was good is not read again, and nothing else of another token is taken for granted."""

import time

import jwt
import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.identity import auth
from watcher.api.identity.auth import Authenticator

SECRET, OTHER = b"a secret of thirty-two bytes, or more", b"another one, of thirty-two bytes or more"


def made(user_id: int, key: bytes = SECRET, **head: str) -> bytes:
    """A token that holds for a minute."""
    claims = {"sub": str(user_id), "iss": "site", "aud": "votes", "exp": int(time.time()) + 60}
    return jwt.encode(claims, key, "HS256", headers=head).encode()


def asked(authenticator: Authenticator, token: bytes) -> int | str:
    """The user whom a token is of, or why it is refused."""
    try:
        return authenticator.principal([(b"authorization", b"Bearer " + token)]).user_id
    except ProblemError as problem:
        return problem.code


def test_a_known_head_is_read_once_and_the_rest_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    head_of = jwt.get_unverified_header
    monkeypatch.setattr(auth.jwt, "get_unverified_header", lambda token: read.append(token) or head_of(token))
    authenticator = Authenticator(issuer="site", audience="votes", secrets=[SECRET])
    head, claims, signature = made(9).split(b".")

    said = [
        asked(authenticator, one)
        for one in (
            made(7),
            made(8),
            made(8, OTHER),
            b".".join((head, claims, signature[::-1])),
            b".".join((head, claims)),
            b".".join((head, b"e30", signature)),
            b".".join((head, claims, signature)),
        )
    ]

    assert said == [7, 8, "bad_token", "bad_token", "bad_token", "bad_token", 9]
    assert len(read) == 1


def test_heads_of_tokens_that_are_not_ours_are_not_kept() -> None:
    """However many come: what is kept stays with those whose tokens were good, and is bounded."""
    authenticator = Authenticator(issuer="site", audience="votes", secrets=[SECRET])

    for number in range(100):
        assert asked(authenticator, made(7, OTHER, kid=f"forged {number}")) == "bad_token"
    assert authenticator._heads == {}
    for number in range(100):
        assert asked(authenticator, made(7, kid=str(number))) == 7
    assert len(authenticator._heads) == auth._MAX_HEADS
