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
        self._wire, self.info, self.asked = wire, info, 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        times = bytes(data).count(b"INFO")
        self.asked += times
        answer = b"$%d\r\n%s\r\n" % (len(self.info), self.info) * times or b"+OK\r\n"
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


ONE, OTHER = (b"role:master\r\nrun_id:%s\r\nmaster_replid:r\r\n" % name for name in (b"one", b"other"))


async def test_a_connection_on_which_another_process_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a balancer: votes would be fenced by who is gone. While it is the same one, the connection stays."""
    monkeypatch.setattr("watcher.redis.link.LOOK_SECONDS", 0.01)
    made: list[Redis] = []

    async def connect(factory: Callable[[], Wire], *_: object, **__: object) -> None:
        wire = factory()
        made.append(Redis(wire, made[-1].info if made else ONE))
        wire.connection_made(made[-1])

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.wait([keeping], timeout=0.01)
                assert not keeping.done()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    link = Link("redis://redis.test", 5)
    with capture_logs() as logs:
        keeping = asyncio.ensure_future(link.run())
        await until(lambda: bool(made) and made[0].asked >= 8)  # two a look, the first as it connects
        assert (len(made), link.identity, logs) == (1, "one:r", [])
        made[0].info = OTHER
        await until(lambda: link.identity == "other:r")
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    assert len(made) == 2
    assert [line["event"] for line in logs] == ["link.lost"]
