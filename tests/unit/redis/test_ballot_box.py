"""Votes that wait at the same time go together, and each gets its own answer."""

import asyncio
from typing import Any, cast

import hiredis
import pytest

from tests.unit.redis.test_link_hints import Recorded
from watcher.model.vote import Vote, VoteOutcome, VoteRefusal
from watcher.redis import keys
from watcher.redis.ballot_box import BallotBox
from watcher.redis.link import Link
from watcher.redis.vote import Ballot
from watcher.redis.wire import LinkLostError, Wire

FENCE = "process:replication"


class Opened(Link):
    """A link whose connection is there, to nobody."""

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1", 1.0)
        self.wire, self.transport = Wire(asyncio.get_running_loop(), [].append), Recorded()
        self.wire.connection_made(cast("Any", self.transport))
        self._wire, self._identity = self.wire, FENCE

    def calls(self) -> list[list[bytes]]:
        """Return the arguments of the scripts that were called so far."""
        reader, calls = hiredis.Reader(), []
        reader.feed(self.transport.written)
        while (command := reader.gets()) is not False:
            if command[0] == b"EVALSHA":
                calls.append(command[3:])
        return calls


@pytest.fixture
def refused() -> list[str]:
    """What was told of as refused."""
    return []


def ballot(user: int, crucible: int = 1) -> Ballot:
    """A vote of a judge's."""
    return Ballot(Vote(crucible, user, 7, 8))


async def cast_all(box: BallotBox, ballots: list[Ballot]) -> list[asyncio.Task[Any]]:
    """Cast votes in one turn of the loop."""
    tasks = [asyncio.create_task(box.cast(one)) for one in ballots]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def ok(seq: int) -> bytes:
    """A vote's answer."""
    return b"*9\r\n$2\r\nok\r\n:1516\r\n:1484\r\n:16\r\n:1\r\n:%d\r\n:1760000000000\r\n:0\r\n:0\r\n" % seq


async def test_votes_on_one_crucible_are_one_call(refused: list[str]) -> None:
    """With a hint before it; those on another one are another call, and each judge is told of their own vote."""
    opened = Opened()
    box = BallotBox(opened, 1_000, refused.append)
    tasks = await cast_all(box, [ballot(1), ballot(2), ballot(3, crucible=2), ballot(4)])

    first, second = opened.calls()
    assert first[0] == keys.elo(1).encode()
    assert [first[at] for at in range(3, len(first), 5)] == [b"1", b"2", b"4"]
    assert (first[1], first[2]) == (FENCE.encode(), b"1000")
    assert second[0] == keys.elo(2).encode()
    assert opened.transport.written.index(b"SADD") < opened.transport.written.index(b"EVALSHA")

    hint = b":1\r\n"
    opened.wire.data_received(hint + b"*3\r\n" + ok(1) + b"*1\r\n$5\r\nended\r\n" + ok(2))
    opened.wire.data_received(hint + b"*1\r\n" + ok(9))
    said = await asyncio.gather(*tasks)

    assert [one.seq if isinstance(one, VoteOutcome) else one for one in said] == [1, VoteRefusal.ENDED, 9, 2]
    assert refused == []


async def test_votes_that_come_meanwhile_go_with_the_next(refused: list[str]) -> None:
    """And no more of them in one call than Redis is held up by."""
    opened = Opened()
    box = BallotBox(opened, 1_000, refused.append)
    tasks = await cast_all(box, [ballot(1)])
    more = keys.MAX_VOTES_AT_ONCE + 1
    tasks += await cast_all(box, [ballot(user) for user in range(2, 2 + more)])
    assert len(opened.calls()) == 1

    opened.wire.data_received(b":1\r\n*1\r\n" + ok(1))

    assert [len(call[3:]) // 5 for call in opened.calls()] == [1, keys.MAX_VOTES_AT_ONCE, 1]
    for task in tasks:
        task.cancel()


async def test_what_is_refused_to_one_is_told_and_no_others_answer(refused: list[str]) -> None:
    """An error within the answer is one vote's; one in place of it is all votes', and told by the link."""
    opened = Opened()
    box = BallotBox(opened, 1_000, refused.append)
    tasks = await cast_all(box, [ballot(1), ballot(2)])
    opened.wire.data_received(b":1\r\n*2\r\n-NOPERM no rights\r\n" + ok(1))
    one, other = await asyncio.gather(*tasks)

    assert isinstance(one, hiredis.ReplyError)
    assert isinstance(other, VoteOutcome)
    assert refused == ["NOPERM no rights"]

    tasks = await cast_all(box, [ballot(3), ballot(4)])
    opened.wire.data_received(b":1\r\n-OOM no memory\r\n")
    assert [str(error) for error in await asyncio.gather(*tasks)] == ["OOM no memory"] * 2
    assert refused == ["NOPERM no rights"]


async def test_a_lost_connection_fails_all_that_wait(refused: list[str]) -> None:
    """Those that were sent and those that were not; whoever has gone is no matter, and the next vote is a new call."""
    opened = Opened()
    box = BallotBox(opened, 1_000, refused.append)
    tasks = await cast_all(box, [ballot(1), ballot(2)])
    tasks[1].cancel()
    tasks += await cast_all(box, [ballot(3)])

    opened.wire.connection_lost(None)
    said = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in said] == [LinkLostError, asyncio.CancelledError, LinkLostError]
    again = Opened()
    opened._wire = again.wire
    (task,) = await cast_all(box, [ballot(4)])
    assert len(again.calls()) == 1
    task.cancel()
