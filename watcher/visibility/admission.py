"""Shows Redis which entries judges may see, as the site's moderation has it.

What just arrived is looked up within a fraction of a second; everything that takes part is looked at again each minute,
because an image may be hidden, or given another level, at any time. (A pair's two images are looked at once more before
they are served.) One question for many entries, and only differences go to Redis.

A worker of its own: neither PostgreSQL nor Redis may hold up the change stream here, and what is lost on the way the
next sweep finds.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Final

import structlog

from watcher.model.errors import TemporaryError
from watcher.model.row_state import CrucibleChange, RowStates
from watcher.model.visibility import Hidden
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.session import Session
from watcher.postgres.site.entries import Arrived, LevelGroup, look, look_at_all, open_crucibles
from watcher.redis.admissions import Admissions
from watcher.redis.admit import Placement, PlacementChange
from watcher.runtime import clock
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal, Task
from watcher.telemetry.metrics.visibility import VisibilityMetrics

log = structlog.get_logger(__name__)

GATHER_SECONDS: Final = 0.05
"""Time in which arrivals are gathered for one question. Longer: fewer questions, later votes on a new entry."""
VERDICT_SECONDS: Final = 0.25
"""Seconds in which those are gathered that wait for their verdict: whoever decides hands over those that are let in,
and what the stream shows is for those that another process has decided. Longer: those are judged later."""
MAX_PLACED: Final = 10_000
"""Entries that are remembered as placed until their verdict comes back as a row. Fewer: some are looked up twice."""
MAX_POLLS: Final = 100
"""Polls that may wait. More: more memory while PostgreSQL is away; fewer: sooner left to a sweep."""
BULK_ROWS: Final = 1_000
"""Arrivals of one poll above which the change stream is catching up: then they are left to a sweep, which takes a
twentieth of the work, instead of slowing it down."""
CALM_SECONDS: Final = 1.0
"""Time without such a gathering after which the sweep follows; it follows in its turn anyway."""
LOOK_SECONDS: Final = 1.0
"""Seconds until a sweep that has to wait for another process', or did not see everything, is tried again. Longer: a
process that died in its sweep is replaced later."""
NEIGHBOUR_AWAY: Final = Retry(5.0, 5.0)
"""Waits before the next attempt when a neighbour is away. Longer: a new entry is judged later once it is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The neighbours that admission asks, and who is told when one is away."""

    open_session: Callable[[], AbstractContextManager[Session]]
    """A connection to PostgreSQL."""
    admissions: Admissions
    away: Callable[[TemporaryError], None]
    """Told when one of them does not answer."""


class Admission(Task):
    """Admits what arrived, and looks at everything again every so often.

    Args:
        neighbours: PostgreSQL and Redis.
        metrics: what it comes to.
        interval: seconds between two sweeps, of all processes together.
        undecided: whether an entry takes part about which nothing was decided; None: that is waited for.
    """

    def __init__(
        self, neighbours: Neighbours, metrics: VisibilityMetrics, interval: float, undecided: bool | None = True
    ) -> None:
        self.signal, self.retry = Signal(), NEIGHBOUR_AWAY
        self._neighbours, self._metrics, self._interval = neighbours, metrics, interval
        self._undecided = undecided
        self._admissions = neighbours.admissions
        self._waiting: deque[RowStates] = deque(maxlen=MAX_POLLS)
        self._decided: deque[Arrived] = deque(maxlen=BULK_ROWS)
        self._placed: dict[int, int] = {}
        self._behind = True  # whoever starts sweeps first: what arrived while nobody ran is not handed over
        self._bulk_at = -CALM_SECONDS
        self._sweep_at = 0.0  # when to ask Redis whether it is time; it says when it is, for all processes
        self._session = KeptSession(neighbours.open_session)

    def arrived(self, states: RowStates) -> None:
        """Have entries looked up whose rows Redis shows from now on; return at once. Called with each poll."""
        if len(self._waiting) == MAX_POLLS:  # the oldest falls out
            self._behind = True
        if sum(map(len, states.values())) > BULK_ROWS:
            self._behind, self._bulk_at = True, clock.now()  # and so they are let go at once
        else:
            self._waiting.append(states)
        self.signal.wake()

    def decided(self, entries: Iterable[Arrived]) -> None:
        """Have entries looked up that take part from now on; return at once."""
        self._decided.extend(entries)
        self.signal.wake()

    # -- the worker ---------------------------------------------------------------------------------------------------

    def turn(self) -> float:
        """Look up what arrived, and sweep when it is time.

        Returns:
            Seconds until it may be time for a sweep, should nothing arrive.

        Raises:
            TemporaryError: a neighbour is away, or PostgreSQL refuses; the message says what to run, and it may be run
                any time.
        """
        self._gather()
        self._admit_arrived()
        return self._sweep_when_due()

    def away(self, error: TemporaryError) -> None:
        """Tell that a neighbour is away."""
        self._neighbours.away(error)

    def end(self) -> None:
        """Give back the connections; what waits is left to the next sweep, of whichever process."""
        self._session.drop()
        self._admissions.close()

    def _gather(self) -> None:
        """Wait until what has come is worth a question."""
        if self._undecided is None:
            until = clock.now() + VERDICT_SECONDS
            while self._waiting and not self._decided and not self.signal.stopping and clock.now() < until:
                self.signal.wait(until - clock.now())
        if self._waiting or self._decided:
            self.signal.pause(GATHER_SECONDS)
        self.signal.clear()

    def _admit_arrived(self) -> None:
        some = self._taken()
        if some:
            try:
                with self._session.kept() as session:
                    self._show(look(session, some, self._undecided), arrived=True)
            except TemporaryError:
                self._behind = True
                raise

    def _sweep_when_due(self) -> float:
        """Sweep, if it is time and nobody else does; return the seconds until to look again whether it is."""
        now = clock.now()
        overdue = self._behind and now - self._bulk_at >= CALM_SECONDS
        if overdue or now >= self._sweep_at:
            wait = self._sweep_in_turn(overdue=overdue)
            self._sweep_at = clock.now() + wait
        until = self._sweep_at
        if self._behind and not overdue:
            until = min(until, self._bulk_at + CALM_SECONDS)
        return max(0.0, until - clock.now())

    def _sweep_in_turn(self, *, overdue: bool) -> float:
        """Sweep, if Redis says that it is our turn; return the seconds until to ask it again."""
        wait = 0.0 if overdue else self._admissions.due_in()
        if wait > 0:
            return min(wait, self._interval)
        if self._admissions.take_turn():
            with self._session.kept() as session:
                self._sweep(session)
            if not self._behind:
                return self._interval
        return min(LOOK_SECONDS, self._interval)

    def _taken(self) -> list[Arrived]:
        """Return the changes that arrived; none where a sweep will see them all."""
        polls = [self._waiting.popleft() for _ in range(len(self._waiting))]
        decided = [self._decided.popleft() for _ in range(len(self._decided))]
        if len(decided) == BULK_ROWS:  # more of them may have fallen out
            self._behind = True
        if self._behind:
            return []
        some = {(one.crucible_id, one.entry_id): one for one in decided} | {
            (crucible_id, entry_id): Arrived(crucible_id, entry_id, image_id)
            for states in polls
            for crucible_id, change in states.items()
            for entry_id, image_id in chain(change.living(), self._not_placed(change))
        }
        return list(some.values())

    def _not_placed(self, change: CrucibleChange) -> Iterator[tuple[int, int]]:
        """Yield entry and image of those that take part from now on and were not placed when that was decided."""
        for entry_id, image_id in change.admitted():
            if self._placed.pop(entry_id, None) != image_id:
                yield entry_id, image_id

    def _sweep(self, session: Session) -> None:
        began, self._behind = clock.now(), False
        came: Counter[PlacementChange] = Counter()
        try:
            for crucible_id, level in open_crucibles(session):
                if self._admissions.present(crucible_id):
                    for page in look_at_all(session, crucible_id, level, undecided=self._undecided):
                        came += self._show(page, arrived=False)
                        self._admissions.keep_turn()
                if self.signal.stopping:
                    self._behind = True
                    break
        except TemporaryError:
            self._behind = True
            raise
        finally:
            self._admissions.swept(0.0 if self._behind else self._interval)
        self._metrics.admission_sweep_duration.observe(clock.now() - began)
        self._metrics.admission_last_sweep_timestamp.set(time.time())
        if came:
            log.info("admission.swept", **{effect.value: count for effect, count in came.items()})

    def _show(self, seen: Sequence[LevelGroup], *, arrived: bool) -> Counter[PlacementChange]:
        """Send Redis what it shows otherwise; return how many entries were admitted, hidden and so on."""
        placements: dict[int, list[Placement]] = defaultdict(list)
        reasons: dict[tuple[int, int], Hidden | None] = {}
        shown = {} if arrived else self._shown(seen)
        for one in seen:
            for entry, image in zip(one.entries, one.images, strict=True):
                if shown.get((one.crucible_id, entry)) != one.level:
                    placements[one.crucible_id].append(Placement(entry, one.level, image))
                    reasons[one.crucible_id, entry] = one.reason
        came: Counter[tuple[PlacementChange, Hidden | None]] = Counter()
        for crucible_id, placement, effect in self._admissions.admit(placements):
            came[effect, reasons[crucible_id, placement.entry_id]] += 1
            if arrived and effect is not PlacementChange.UNKNOWN:
                self._placed[placement.entry_id] = placement.image_id
                if len(self._placed) > MAX_PLACED:  # the verdict came back to another process
                    del self._placed[next(iter(self._placed))]
        effects: Counter[PlacementChange] = Counter()
        for (effect, reason), entries in came.items():
            self._count(effect, reason, entries)
            effects[effect] += entries
        return effects

    def _shown(self, seen: Iterable[LevelGroup]) -> dict[tuple[int, int], int]:
        """Return the level under which Redis shows entries, by crucible and entry: one question a crucible."""
        entries: dict[int, list[int]] = defaultdict(list)
        for one in seen:
            entries[one.crucible_id] += one.entries
        return {
            (crucible_id, entry): level
            for crucible_id, some in entries.items()
            for entry, level in zip(some, self._admissions.levels(crucible_id, some), strict=True)
        }

    def _count(self, effect: PlacementChange, reason: Hidden | None, entries: int) -> None:
        if effect is PlacementChange.SAME and reason is not None:
            self._metrics.admissions.labels("refused", reason.value).inc(entries)
        elif effect not in {PlacementChange.SAME, PlacementChange.UNKNOWN}:
            self._metrics.admissions.labels(effect.value, reason.value if reason else "").inc(entries)
