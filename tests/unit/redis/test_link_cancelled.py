"""A link ends when it is told to, whatever it is doing at that moment."""

import asyncio

import pytest

from tests.unit.redis.test_link_hints import Recorded
from watcher.redis import link
from watcher.redis.link import Link
from watcher.redis.wire import Wire

TURNS = 40
"""Of the loop, in which the first connection is made and looked at several times."""
INFO = b"role:master\r\nrun_id:a\r\nmaster_replid:b\r\n"


class Redis(Recorded):
    """A Redis that answers a pipeline in the loop's next turn."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        asked = bytes(data).count(b"INFO")
        answer = b"$%d\r\n%s\r\n" % (len(INFO), INFO) * asked or b"+OK\r\n"
        asyncio.get_running_loop().call_soon(self._answer, answer)

    def _answer(self, answer: bytes) -> None:
        if self._open:
            self._wire.data_received(answer)

    def abort(self) -> None:
        self._open = False


@pytest.mark.parametrize("turns", range(TURNS))
async def test_cancelled_at_any_turn(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the answer that it waits for comes in the very same turn: the process would not end otherwise."""
    monkeypatch.setattr(link, "LOOK_SECONDS", 0)

    async def connected(factory: object, *_: object, **__: object) -> None:
        wire = factory()  # type: ignore[operator]
        wire.connection_made(Redis(wire))

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connected)
    keeping = asyncio.ensure_future(Link("redis://redis.test", 60).run())
    for _ in range(turns):
        await asyncio.sleep(0)
    assert not keeping.done()

    keeping.cancel()
    ended, _ = await asyncio.wait([keeping], timeout=5)

    assert ended
    assert keeping.cancelled()
