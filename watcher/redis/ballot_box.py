"""Votes of requests that wait at the same time are cast together: one call of the script for those on one crucible.

Many judges vote on few crucibles, and most of what a call takes is not one vote's own: reading the crucible's state,
writing its standings, Redis' own work for a script and its transaction. A call leaves with the link's next pipeline, so
a vote waits for nothing but what it would wait for alone.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import hiredis

from watcher.model.vote import VoteOutcome, VoteRefusal
from watcher.redis import keys
from watcher.redis.link import Link
from watcher.redis.scripts import VOTE
from watcher.redis.vote import Ballot, outcomes, votes_command
from watcher.redis.wire import Command

Said = VoteOutcome | VoteRefusal | hiredis.ReplyError


class BallotBox:
    """Casts votes through one connection.

    Args:
        link: the connection.
        max_log: votes that may wait for ClickHouse in a crucible's log.
        on_error: told of each error with which Redis refuses to write a vote; of those that end a whole call, the link
            tells.
    """

    def __init__(self, link: Link, max_log: int, on_error: Callable[[str], None]) -> None:
        self._link, self._max_log, self._on_error = link, max_log, on_error
        self._gathering: dict[int, _Call] = {}

    async def cast(self, ballot: Ballot) -> Said:
        """Return what the script says of a vote; an error that Redis answers is a value.

        Raises:
            LinkLostError: the connection was lost, and it is unknown whether the vote counts.
        """
        crucible_id = ballot.vote.crucible_id
        call = self._gathering.get(crucible_id)
        if call is None or len(call.ballots) == keys.MAX_VOTES_AT_ONCE:
            call = self._begin(crucible_id)
        said = asyncio.get_running_loop().create_future()
        call.ballots.append(ballot)
        call.waiting.append(said)
        answer: Said = await said
        return answer

    def _begin(self, crucible_id: int) -> "_Call":
        # In this order on one connection: the hint must not come after the votes.
        self._link.tell_once(("SADD", keys.undrained(keys.bucket(crucible_id)), crucible_id))
        call = _Call(self._link.identity)
        answer = self._link.ask_when_sent(partial(self._leave, crucible_id, call))
        answer.add_done_callback(partial(self._answered, crucible_id, call))
        self._gathering[crucible_id] = call
        return call

    def _leave(self, crucible_id: int, call: "_Call") -> Command:
        self._close(crucible_id, call)
        return votes_command(VOTE.sha, call.ballots, call.fence, self._max_log)

    def _close(self, crucible_id: int, call: "_Call") -> None:
        if self._gathering.get(crucible_id) is call:
            del self._gathering[crucible_id]

    def _answered(self, crucible_id: int, call: "_Call", answer: "asyncio.Future[Any]") -> None:
        self._close(crucible_id, call)  # it has not left if the connection was lost before
        lost = answer.exception()
        if lost is not None:
            for waiting in call.waiting:
                if not waiting.done():
                    waiting.set_exception(lost)
            return
        told = answer.result()
        each = [told] * len(call.waiting) if isinstance(told, hiredis.ReplyError) else outcomes(told)
        for waiting, said in zip(call.waiting, each, strict=True):
            if isinstance(said, hiredis.ReplyError) and said is not told:
                self._on_error(str(said))
            if not waiting.done():  # else whoever asked has gone
                waiting.set_result(said)


class _Call:
    """Votes that leave together."""

    def __init__(self, fence: str) -> None:
        self.fence = fence
        self.ballots: list[Ballot] = []
        self.waiting: list[asyncio.Future[Any]] = []
