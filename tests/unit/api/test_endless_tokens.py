"""A signed token whose expiry is no time that a clock could show is refused; it is no fault of ours."""

import jwt
import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.identity.auth import Authenticator

SECRET = b"s" * 32


def headers(exp: object) -> list[tuple[bytes, bytes]]:
    claims = {"iss": "site", "aud": "votes", "sub": "7", "exp": exp}
    return [(b"authorization", b"Bearer " + jwt.encode(claims, SECRET, "HS256").encode())]


@pytest.mark.parametrize(
    "exp", [10**400, float("inf"), float("nan"), "1e9", []], ids=["huge", "inf", "nan", "text", "list"]
)
def test_an_expiry_that_is_no_time_is_a_bad_token(exp: object) -> None:
    auth = Authenticator(issuer="site", audience="votes", secrets=[SECRET])
    with pytest.raises(ProblemError) as refused:
        auth.principal(headers(exp))
    assert refused.value.code == "bad_token"


def test_an_expiry_in_far_time_is_taken() -> None:
    auth = Authenticator(issuer="site", audience="votes", secrets=[SECRET])
    assert auth.principal(headers(4_000_000_000)).expires == 4_000_000_000
