"""What turns compare besides rows and counts: votes, Redis and views, some of each at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol

from watcher.migrations.clickhouse.migrate import made_views
from watcher.reconcile.difference_reports import DifferenceReport
from watcher.reconcile.redis.crucible import RedisKind
from watcher.reconcile.redis.crucibles import REDIS
from watcher.reconcile.views import DIFFERS, name_of
from watcher.reconcile.votes.comparison import EVENTS, VOTES, VoteKind

OTHER_RANGES: Final = 2
"""Ranges of a table that a part counts as. More: a round takes longer; fewer: a turn does."""
PLACES: Final[Mapping[str, Collection[str]]] = {
    VOTES: (VoteKind.TWICE, VoteKind.NUMBER_TWICE, VoteKind.MISSING, VoteKind.ONLY_IN_REDIS),
    EVENTS: (VoteKind.WITHOUT_EVENT, VoteKind.EVENT_TWICE, VoteKind.WITHOUT_VOTE),
    REDIS: tuple(RedisKind),
    **{name_of(view): (DIFFERS,) for view in made_views()},
}
"""Where something may differ, and how, as drift is told."""

OF_CRUCIBLES: Final = frozenset({VOTES, EVENTS, REDIS})
"""Those of them that are compared crucible by crucible."""


class Other(Protocol):
    """Something that is compared by turns, by numbers: crucibles' ids, or slices."""

    @property
    def name(self) -> str:
        """Return the name by which the round knows it."""
        ...

    @property
    def places(self) -> Sequence[str]:
        """Return where it may find differences."""
        ...

    def part(self, first: int) -> tuple[Sequence[DifferenceReport], int | None]:
        """Return what differs of the next numbers from one on, and the one that follows; None: that was the last part.

        Raises:
            WatcherError: it cannot be compared; the others go on.
        """
        ...


def by_place(places: Sequence[str], found: Sequence[DifferenceReport]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield each place with how many rows differ there in which way.

    >>> dict(by_place(["a", "b"], [DifferenceReport("a", "gone", 2, derivable=True, examples=())]))
    {'a': {'gone': 2}, 'b': {}}
    """
    for place in places:
        yield place, {one.kind: one.left for one in found if one.where == place and one.left}
