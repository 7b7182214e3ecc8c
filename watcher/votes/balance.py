"""Checks that votes add up: as many as Redis has numbered are in ClickHouse or on their way there.

An insert of votes that leaves before Redis is lost may arrive after Redis was compared. Then ClickHouse has votes that
Redis will never show, and no number tells: they are of an epoch that is over. Counting tells.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, cast

from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary

MAX_CRUCIBLES: Final = 500
"""Crucibles of one question. More: Redis answers votes later; fewer: more round trips."""


class VoteCounter(Protocol):
    """Counts votes as ClickHouse has them."""

    def counted(self, crucible_ids: Sequence[int]) -> dict[int, int]:
        """Return how many numbered votes there ever were, by crucible."""
        ...


class BalanceObserver(Protocol):
    """Is told what the counting found."""

    def unbalanced(self, votes: Mapping[int, int]) -> None:
        """Hear of a look, also of one that found nothing.

        Args:
            votes: how many ClickHouse has too many, by crucible; below zero: lacks.
        """
        ...


class NobodyListens:
    """Hears of a look, and does nothing: who asks for what differs gets that as an answer."""

    def unbalanced(self, votes: Mapping[int, int]) -> None:
        """Do nothing with what a look found."""


class Numbered(NamedTuple):
    """Votes of a crucible as Redis has numbered them."""

    votes: int
    """In all epochs."""
    waiting: int
    """Of them, those that may not be in ClickHouse yet."""


def excess(before: Numbered, found: int, after: Numbered) -> int:
    """Return the votes that ClickHouse has too many, or, below zero, lacks; 0 if votes that come meanwhile explain all.

    Args:
        before: Redis, just before ClickHouse was asked.
        found: votes in ClickHouse.
        after: Redis, just after.

    >>> excess(Numbered(100, 5), 97, Numbered(102, 7)), excess(Numbered(100, 0), 100, Numbered(100, 0))
    (0, 0)
    >>> excess(Numbered(100, 0), 150, Numbered(100, 0)), excess(Numbered(100, 5), 94, Numbered(102, 7))
    (50, -1)
    """
    least, most = before.votes - before.waiting, after.votes
    return found - most if found > most else min(0, found - least)


class VoteBalance:
    """Counts votes on both sides and tells where they differ; for one thread.

    Args:
        client: Redis.
        counts: ClickHouse.
        observer: told what was found.
    """

    def __init__(self, client: Client, counts: VoteCounter, observer: BalanceObserver) -> None:
        self._client, self._counts, self._observer = client, counts, observer
        self._doubted: set[int] = set()

    def look(self, crucible_ids: Iterable[int]) -> None:
        """Count the votes of these crucibles on both sides.

        What differs is told when the next look finds it too: a view may show votes after its table, and Redis may be
        lost between two of our questions.

        Raises:
            TemporaryError: a neighbour is away.
        """
        found = self.differing(crucible_ids)
        self._observer.unbalanced({one: votes for one, votes in found.items() if one in self._doubted})
        self._doubted = set(found)

    def differing(self, crucible_ids: Iterable[int]) -> dict[int, int]:
        """Return, of one look, how many votes ClickHouse has too many, or, below zero, lacks; by crucible.

        Raises:
            TemporaryError: a neighbour is away.
        """
        found: dict[int, int] = {}
        waiting = sorted(crucible_ids)
        while waiting:
            some, waiting = waiting[:MAX_CRUCIBLES], waiting[MAX_CRUCIBLES:]
            before = self._numbered(some)
            counted = self._counts.counted(list(before)) if before else {}
            after = self._numbered(list(before))
            differing = {one: excess(before[one], counted.get(one, 0), after[one]) for one in after}
            found |= {one: votes for one, votes in differing.items() if votes}
        return found

    def _numbered(self, crucible_ids: Sequence[int]) -> dict[int, Numbered]:
        """Return the numbers of those that take votes; the others are being compared, and theirs mean nothing yet."""
        with away_is_temporary():
            pipeline = self._client.pipeline(transaction=False)
            for one in crucible_ids:
                pipeline.hmget(keys.state(one), ["fence", "rebuilding", "before", "seq"])
                pipeline.xlen(keys.log(one))  # after the numbers: votes that come between the two may wait too
            answers = pipeline.execute()
        found = {}
        for one, state, waiting in zip(crucible_ids, answers[::2], answers[1::2], strict=True):
            fence, rebuilding, earlier, seq = cast("list[bytes | None]", state)
            if fence and not rebuilding:
                found[one] = Numbered(int(earlier or 0) + int(seq or 0), cast("int", waiting))
        return found
