"""Votes that Redis has counted and ClickHouse lacks: found by what Redis keeps for each judge.

A vote that was answered counts, whatever a store has lost of it since. Its row in ClickHouse can be made anew from what
its judge would be answered again, to the last number of it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, Protocol

from watcher.clickhouse.vote_history import VoteHistory
from watcher.model.vote import LoggedVote
from watcher.postgres.session import Session
from watcher.postgres.site.contests import unfinished
from watcher.recovery.kept_votes import KeptVotes
from watcher.redis.client import Client
from watcher.redis.counted_votes import CountedVotes
from watcher.votes.balance import NobodyListens, VoteBalance

LOOK_SECONDS: Final = 2.0
"""Seconds between two looks that have to agree. Shorter: what is on its way would be told as a difference."""
SOME_VOTES: Final = 1_000
"""Votes that are looked for together. More: longer questions; fewer: more of them."""


class VotesElsewhere(Protocol):
    """Who knows votes that ClickHouse may lack."""

    def short(self, among: range) -> Collection[int]:
        """Return the crucibles of which ClickHouse has fewer votes than were counted, of those that take votes."""
        ...

    def missing(self, crucible_id: int) -> Iterator[Sequence[LoggedVote]]:
        """Yield the votes of a crucible that were counted and that ClickHouse lacks, some at a time."""
        ...


class RedisVotes:
    """Compares votes that Redis has counted with those that are in ClickHouse.

    Args:
        client: Redis.
        session: PostgreSQL, which crucibles take votes.
        history: votes in ClickHouse.
        pause: waits for some seconds.
        now: seconds since 1970.
    """

    def __init__(
        self,
        client: Client,
        session: Session,
        history: VoteHistory,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._session, self._history, self._pause = session, history, pause
        self._rows, self._counted = KeptVotes(history, now), CountedVotes(client)
        self._balance = VoteBalance(client, self._rows, NobodyListens())

    def short(self, among: range) -> Collection[int]:
        """Return the crucibles of which there are fewer rows than Redis has counted votes; late votes may hide some.

        Args:
            among: ids that are looked at.

        Raises:
            TemporaryError: a neighbour is away.
        """
        ids = [one for one in unfinished(self._session) if one in among]
        return {one for one, excess in self._balance.differing(ids).items() if excess < 0}

    def missing(self, crucible_id: int) -> Iterator[Sequence[LoggedVote]]:
        """Yield the votes of a crucible that Redis has counted and ClickHouse lacks at two looks, some at a time.

        Votes that are on their way are none of them, nor those that may have expired. Where it is not known whether
        Redis is right there are none.

        Raises:
            TemporaryError: a neighbour is away.
        """
        until = self._counted.drained_until(crucible_id)
        if until is None:
            return
        since = self._rows.kept_since
        waiting: list[LoggedVote] = []
        for page in self._counted.pages(crucible_id):
            waiting += [one for one in page if (one.epoch, one.seq) < until and one.ms // 1000 >= since]
            while len(waiting) >= SOME_VOTES:
                yield from self._lacking(crucible_id, waiting[:SOME_VOTES])
                del waiting[:SOME_VOTES]
        yield from self._lacking(crucible_id, waiting)

    def _lacking(self, crucible_id: int, some: Sequence[LoggedVote]) -> Iterator[Sequence[LoggedVote]]:
        """Yield those of some votes that are not there, but for different ones of one number; nothing if all are."""
        each = sorted(set(some))
        numbers = Counter((one.epoch, one.seq) for one in each)
        lacking = self._without_row(crucible_id, [one for one in each if numbers[one.epoch, one.seq] == 1])
        if lacking:
            self._pause(LOOK_SECONDS)
            lacking = self._without_row(crucible_id, lacking)
        if lacking:
            yield lacking

    def _without_row(self, crucible_id: int, some: Sequence[LoggedVote]) -> list[LoggedVote]:
        by_epoch = defaultdict[int, list[LoggedVote]](list)
        for one in some:
            by_epoch[one.epoch].append(one)
        there: set[tuple[int, int]] = set()
        for epoch, votes in by_epoch.items():
            times = [one.ms // 1000 for one in votes]
            numbers = [one.seq for one in votes]
            found = self._history.numbers_there(crucible_id, epoch, numbers, min(times), max(times))
            there.update((epoch, seq) for seq in found)
        return [one for one in some if (one.epoch, one.seq) not in there]
