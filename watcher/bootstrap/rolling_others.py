"""What turns compare besides rows and counts, put together: votes, Redis, and each materialized view."""

from collections.abc import Callable, Sequence
from typing import Final

from config import Settings
from watcher.bootstrap.reconciling_crucibles import CrucibleComparer
from watcher.bootstrap.reconciling_views import some_of_view
from watcher.migrations.clickhouse.migrate import made_views
from watcher.migrations.clickhouse.steps import View
from watcher.reconcile.difference_reports import DifferenceReport
from watcher.reconcile.others import Other
from watcher.reconcile.redis.crucibles import REDIS
from watcher.reconcile.views import DIFFERS, name_of
from watcher.reconcile.votes.comparison import EVENTS, VOTES

PART_CRUCIBLES: Final = 25
"""Crucibles that are compared in Redis in a part, with all of their entries. More: a part takes longer; fewer: a round
takes more turns."""


class Votes:
    """Votes and their events, by crucible."""

    name = "votes"
    places: Sequence[str] = (VOTES, EVENTS)

    def __init__(self, comparer: CrucibleComparer, *, fix: bool) -> None:
        self._comparer, self._fix = comparer, fix

    def part(self, first: int) -> tuple[Sequence[DifferenceReport], int | None]:
        """Return what is wrong with votes of some crucibles from an id on, and the id that follows."""
        return self._comparer.some_votes(first, fix=self._fix)


class CruciblesInRedis:
    """What Redis shows, by crucible."""

    name = REDIS
    places: Sequence[str] = (REDIS,)

    def __init__(self, comparer: CrucibleComparer, await_passed: Callable[[int], None], *, fix: bool) -> None:
        self._comparer, self._await_passed, self._fix = comparer, await_passed, fix

    def part(self, first: int) -> tuple[Sequence[DifferenceReport], int | None]:
        """Return what differs of some crucibles from an id on, and the id that follows."""
        return self._comparer.some_redis(first, PART_CRUCIBLES, self._await_passed, fix=self._fix)


class ViewSlices:
    """One materialized view, by slices of its keys."""

    def __init__(self, settings: Settings, view: View, pause: Callable[[float], None]) -> None:
        self._settings, self._view, self._pause = settings, view, pause
        self.name = name_of(view)
        self.places: Sequence[str] = (self.name,)

    def part(self, first: int) -> tuple[Sequence[DifferenceReport], int | None]:
        """Return what differs of a slice, and the number of the one that follows."""
        report, follows = some_of_view(self._settings, self._view, first, self._pause)
        if not report.left:
            return (), follows
        return [DifferenceReport(self.name, DIFFERS, report.left, derivable=True, examples=())], follows


def others(
    settings: Settings,
    comparer: CrucibleComparer,
    await_passed: Callable[[int], None],
    pause: Callable[[float], None],
) -> list[Other]:
    """Return what is compared after the tables, in its order.

    Args:
        settings: where the neighbours are.
        comparer: compares crucibles; open for as long as these are used.
        await_passed: returns when the stream is past a position.
        pause: waits for some seconds; raises to end the turn.
    """
    return [
        Votes(comparer, fix=settings.reconcile.auto_fix),
        CruciblesInRedis(comparer, await_passed, fix=settings.reconcile.auto_fix),
        *(ViewSlices(settings, view, pause) for view in made_views()),
    ]
