"""Bodies of requests are read as they are announced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from watcher.api.http.body import BodyTooLargeError, JsonBody
from watcher.api.http.request import Request
from watcher.api.identity.auth import Principal
from watcher.api.identity.users import User

if TYPE_CHECKING:
    from watcher.api.http.asgi import Header

BODY = b'{"winner":7}'
USER = User(banned=False, muted=False, deleted=False, browsing_level=31, show_nsfw=True, score=None)


def read(length: bytes) -> dict[str, int]:
    """Read a body that is announced to be so long, of at most twelve bytes."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    headers: list[Header] = [(b"content-type", b"application/json"), (b"content-length", length)]
    request = Request(Principal(1, 0.0), USER, {}, headers, receive)
    return asyncio.run(JsonBody(dict[str, int]).read(request, len(BODY)))


@pytest.mark.parametrize("length", [b"12", b"12\t", b"12 \t ", b"0012"])
def test_a_length_may_have_blanks_behind_it(length: bytes) -> None:
    """They are none of its digits (RFC 9110, 5.5), and the server leaves them there."""
    assert read(length) == {"winner": 7}


@pytest.mark.parametrize("length", [b"13", b"1 2", b"99999999999999999999"])
def test_a_longer_one_is_not_read(length: bytes) -> None:
    """Whatever comes then."""
    with pytest.raises(BodyTooLargeError):
        read(length)
