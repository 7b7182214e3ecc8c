"""What is asked of Redis while it works gathers, and goes out with the last answer to what is under way."""

import asyncio

from tests.unit.redis.test_link_hints import Recorded
from watcher.redis.wire import Wire


async def test_one_pipeline_at_a_time() -> None:
    """Votes that come in meanwhile go out together, once all of the first are answered, and before anybody is told."""
    wire, transport = Wire(asyncio.get_running_loop(), [].append), Recorded()
    wire.connection_made(transport)
    first = [wire.ask(("PING", "a")), wire.ask(("PING", "b"))]
    await asyncio.sleep(0)
    sent = transport.written
    second = [wire.ask(("PING", "c"))]
    await asyncio.sleep(0)
    second.append(wire.ask(("PING", "d")))
    await asyncio.sleep(0)

    wire.data_received(b"+A\r\n")
    await asyncio.sleep(0)
    assert transport.written == sent

    wire.data_received(b"+B\r\n")
    assert transport.written[len(sent) :].count(b"PING") == 2
    wire.data_received(b"+C\r\n+D\r\n")
    assert [one.result() for one in (*first, *second)] == [b"A", b"B", b"C", b"D"]


async def test_idle_connection_sends_at_once() -> None:
    """With nothing under way a command waits for the end of its loop turn and no longer."""
    wire, transport = Wire(asyncio.get_running_loop(), [].append), Recorded()
    wire.connection_made(transport)
    for answers in (1, 2):
        wire.tell(("PING",))
        await asyncio.sleep(0)
        assert transport.written.count(b"PING") == answers
        wire.data_received(b"+PONG\r\n")
