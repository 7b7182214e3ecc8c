"""What a token says of the level that its user may see is taken as it is, or the token is refused."""

import time

import jwt
import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.identity.auth import Authenticator, Principal

SECRET = b"a secret of thirty-two bytes, or more"


def principal(**claims: object) -> Principal:
    given = {"sub": "7", "iss": "site", "aud": "votes", "exp": int(time.time()) + 60, **claims}
    token = jwt.encode(given, SECRET, "HS256")
    auth = Authenticator(issuer="site", audience="votes", secrets=[SECRET])
    return auth.principal([(b"authorization", f"Bearer {token}".encode())])


@pytest.mark.parametrize(
    ("claims", "level", "shown"),
    [
        ({}, None, None),
        ({"browsingLevel": None, "showNsfw": None}, None, None),
        ({"browsingLevel": 3, "showNsfw": False}, 3, False),
        ({"browsingLevel": -1, "showNsfw": True}, 0, True),
    ],
)
def test_claims_that_are_understood(claims: dict[str, object], level: int | None, shown: bool | None) -> None:
    """Without a claim, the user's row decides."""
    known = principal(**claims)

    assert (known.browsing_level, known.show_nsfw) == (level, shown)


@pytest.mark.parametrize(
    "claims",
    [{"browsingLevel": "1"}, {"browsingLevel": 1.0}, {"browsingLevel": True}, {"showNsfw": "false"}, {"showNsfw": 0}],
)
def test_claims_of_another_type(claims: dict[str, object]) -> None:
    """Passed over, they would show what the user's row allows, which may be more than was meant."""
    with pytest.raises(ProblemError) as refused:
        principal(**claims)

    assert refused.value.code == "bad_token"
