"""Hints that ride in front of votes on the one connection."""

import asyncio

import pytest

from watcher.redis.wire import LinkLostError, Wire

HINT = ("SADD", "crucible:undrained:1", 1)


class Recorded(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False


async def test_hint_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint that finds no room does not count as told: the next vote of the same turn sends it in front of itself."""
    monkeypatch.setattr("watcher.redis.wire.MAX_WAITING_COMMANDS", 1)
    wire, transport = Wire(asyncio.get_running_loop(), [].append), Recorded()
    wire.connection_made(transport)
    first = wire.ask(("PING",))

    wire.tell_once(HINT)
    with pytest.raises(LinkLostError):
        wire.ask(("EVALSHA", "refused"))
    wire.data_received(b"+PONG\r\n")  # room again, before anything was flushed
    monkeypatch.setattr("watcher.redis.wire.MAX_WAITING_COMMANDS", 2)
    wire.tell_once(HINT)
    vote = wire.ask(("EVALSHA", "vote"))
    await asyncio.sleep(0)

    assert first.done()
    assert not vote.done()
    assert transport.written.count(b"SADD") == 1
    assert b"refused" not in transport.written
    assert transport.written.index(b"SADD") < transport.written.index(b"EVALSHA")


async def test_hint_once_a_pipeline() -> None:
    """Equal hints of one pipeline go out once; the next one's goes out again."""
    wire, transport = Wire(asyncio.get_running_loop(), [].append), Recorded()
    wire.connection_made(transport)

    wire.tell_once(HINT)
    wire.tell_once(HINT)
    await asyncio.sleep(0)
    assert transport.written.count(b"SADD") == 1

    wire.data_received(b":1\r\n")
    wire.tell_once(HINT)
    await asyncio.sleep(0)
    assert transport.written.count(b"SADD") == 2
