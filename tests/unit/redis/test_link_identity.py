"""A link knows which Redis process answers, or there is no link."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.redis.test_link_hints import Recorded
from watcher.redis.link import Link
from watcher.redis.wire import Wire


class Redis(Recorded):
    """A Redis that answers each ``INFO`` with the same text, and everything else with OK."""

    def __init__(self, wire: Wire, info: bytes) -> None:
        super().__init__()
        self._wire, self._info = wire, info

    def write(self, data: bytes | bytearray | memoryview) -> None:
        answer = b"$%d\r\n%s\r\n" % (len(self._info), self._info) * bytes(data).count(b"INFO") or b"+OK\r\n"
        asyncio.get_running_loop().call_soon(self._wire.data_received, answer)

    def abort(self) -> None:
        """Nothing is open here."""


async def failure(connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """What is logged of the first attempt to connect."""
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    with capture_logs() as logs:
        keeping = asyncio.ensure_future(Link("redis://redis.test", 5).run())
        while not logs and not keeping.done():
            await asyncio.wait([keeping], timeout=0.01)
        assert not keeping.done()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert logs[0]["event"] == "link.failed"
    return str(logs[0]["error"])


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (b"role:slave\r\nrun_id:a\r\nmaster_replid:b\r\n", "replica"),
        (b"role:master\r\nmaster_replid:b\r\n", "does not tell its run_id,"),
        (b"role:master\r\n", "does not tell its run_id and master_replid,"),
    ],
)
async def test_a_redis_that_does_not_say_who_it_is(info: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again, and the process goes on: managed ones and replicas become what they should be."""

    async def connect(factory: Callable[[], Wire], *_: object, **__: object) -> None:
        wire = factory()
        wire.connection_made(Redis(wire, info))

    assert said in await failure(connect, monkeypatch)


async def test_the_words_for_a_redis_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host and port as the address has them."""

    async def connect(*_: object, **__: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    assert await failure(connect, monkeypatch) == "nobody listens at redis.test:6379"


async def test_the_words_for_a_redis_that_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it was waited for, and not the name of Python's error."""

    async def connect(*_: object, **__: object) -> None:
        raise TimeoutError

    assert await failure(connect, monkeypatch) == "no answer within 5 s"
