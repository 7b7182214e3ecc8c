"""Admission: which entries judges may see, as the site's moderation has it.

What just arrived is looked up within a fraction of a second; everything that takes part is looked at again each minute,
because an image may be hidden, or given another level, at any time. (A pair's two images are looked at once more before
they are served.) One question for many entries, and only differences go to Redis.

A thread of its own: neither PostgreSQL nor Redis may hold up the change stream here, and what is lost on the way the
next sweep finds.
"""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import structlog

from watcher.model.errors import StopError, TemporaryError
from watcher.model.row_state import RowStates
from watcher.model.visibility import Hidden
from watcher.postgres.session import Session
from watcher.postgres.site.entries import Arrived, Seen, look, look_at_all, open_crucibles
from watcher.redis.admissions import Admissions
from watcher.redis.admit import Placement, PlacementChange
from watcher.runtime import clock
from watcher.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

GATHER: Final = 0.05
"""Seconds in which arrivals are gathered for one question. Longer: fewer questions, later votes on a new entry."""
HELD: Final = 100
"""Polls that may wait. More: more memory while PostgreSQL is away; fewer: sooner left to a sweep."""
BULK: Final = 1_000
"""Arrivals of one poll above which the change stream is catching up: then they are left to a sweep, which takes a
twentieth of the work, instead of slowing it down."""
CALM: Final = 1.0
"""Seconds without such a gathering after which the sweep follows; it follows in its turn anyway."""
AGAIN: Final = 5.0
"""Seconds until the next attempt when a neighbour is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What admission asks and tells."""

    open_session: Callable[[], AbstractContextManager[Session]]
    """A connection to PostgreSQL."""
    admissions: Admissions
    away: Callable[[TemporaryError], None]
    """Told when one of them does not answer."""


class Admission:
    """The thread.

    Args:
        neighbours: PostgreSQL and Redis.
        metrics: what it comes to.
        interval: seconds between two sweeps, of all processes together.
        failed: told of an error that does not go away by itself; the thread has ended then.
    """

    def __init__(
        self, neighbours: Neighbours, metrics: Metrics, interval: float, failed: Callable[[Exception], None]
    ) -> None:
        self._neighbours, self._metrics, self._interval, self._failed = neighbours, metrics, interval, failed
        self._admissions = neighbours.admissions
        self._waiting: deque[RowStates] = deque(maxlen=HELD)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._behind = True  # whoever starts sweeps first: what arrived while nobody ran is not handed over
        self._bulk_at = -CALM
        self._sweep_at = 0.0
        self._thread = threading.Thread(target=self._run, name="admission", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin to end; returns at once."""
        self._stop.set()
        self._wake.set()

    def close(self, timeout: float) -> None:
        """End; what waits is left to the next sweep, of whichever process."""
        self.stop()
        self._thread.join(timeout)
        self._admissions.close()

    def arrived(self, states: RowStates) -> None:
        """Redis shows these rows now. Called by the loop for each poll: nothing is looked at here."""
        if len(self._waiting) == HELD:  # the oldest falls out
            self._behind = True
        if sum(change.rows for change in states.values()) > BULK:
            self._behind, self._bulk_at = True, clock.now()  # and so they are let go at once
        else:
            self._waiting.append(states)
        self._wake.set()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._neighbours.open_session() as session:
                    while not self._stop.is_set():
                        self.turn(session)
                        if self._wake.wait(1.0):
                            self._stop.wait(GATHER)
            except TemporaryError as error:
                self._again(error)
            except StopError as error:  # a right is missing: the message says what to run, and it may be run any time
                self._again(TemporaryError(str(error)))
            except Exception as error:  # noqa: BLE001 - handed on: without us no new entry is ever judged
                self._failed(error)
                return

    def _again(self, error: TemporaryError) -> None:
        self._neighbours.away(error)
        self._stop.wait(AGAIN)

    def turn(self, session: Session) -> None:
        """Take what arrived; sweep when it is time.

        Raises:
            TemporaryError: a neighbour is away.
            StopError: PostgreSQL refuses.
        """
        self._wake.clear()
        some = self._taken()
        if some:
            try:
                self._show(look(session, some), arrived=True)
            except (TemporaryError, StopError):
                self._behind = True
                raise
        now = clock.now()
        calm = self._behind and now - self._bulk_at >= CALM
        if calm or now >= self._sweep_at:
            self._sweep_at = now + min(1.0, self._interval)  # when to look whether it is time; Redis says when it is
            if self._admissions.take_turn(due=calm):
                self._sweep(session)

    def _taken(self) -> list[Arrived]:
        """What arrived; nothing where a sweep will see it all."""
        polls = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if self._behind:
            return []
        some = {
            (crucible_id, entry_id): Arrived(crucible_id, entry_id, image_id)
            for states in polls
            for crucible_id, change in states.items()
            for entry_id, image_id in change.living()
        }
        return list(some.values())

    def _sweep(self, session: Session) -> None:
        began, self._behind = clock.now(), False
        came: Counter[PlacementChange] = Counter()
        try:
            for crucible_id, level in open_crucibles(session):
                if self._admissions.present(crucible_id):
                    for page in look_at_all(session, crucible_id, level):
                        came += self._show(page, arrived=False)
                        self._admissions.keep_turn()
                if self._stop.is_set():
                    self._behind = True
                    break
        except (TemporaryError, StopError):
            self._behind = True
            raise
        finally:
            self._admissions.swept(0.0 if self._behind else self._interval)
        self._metrics.admission_sweep_duration.observe(clock.now() - began)
        self._metrics.admission_last_sweep_timestamp.set(time.time())
        if came:
            log.info("admission.swept", **{effect.value: count for effect, count in came.items()})

    def _show(self, seen: Iterable[Seen], *, arrived: bool) -> Counter[PlacementChange]:
        """Send what Redis has otherwise; returns how many entries each effect had."""
        placements: dict[int, list[Placement]] = defaultdict(list)
        reasons: dict[tuple[int, int], Seen] = {}
        for one in seen:
            levels = [-1] * len(one.entries) if arrived else self._admissions.levels(one.crucible_id, one.entries)
            for entry, image, level in zip(one.entries, one.images, levels, strict=True):
                if level != one.level:
                    placements[one.crucible_id].append(Placement(entry, one.level, image))
                    reasons[one.crucible_id, entry] = one
        came: Counter[PlacementChange] = Counter()
        for crucible_id, some in placements.items():
            for placement, effect in zip(some, self._admissions.admit(crucible_id, some), strict=False):
                came[effect] += 1
                self._count(effect, reasons[crucible_id, placement.entry_id].reason)
        return came

    def _count(self, effect: PlacementChange, reason: Hidden | None) -> None:
        if effect is PlacementChange.SAME and reason is not None:
            self._metrics.admissions.labels("refused", reason.value).inc()
        elif effect not in {PlacementChange.SAME, PlacementChange.UNKNOWN}:
            self._metrics.admissions.labels(effect.value, reason.value if reason else "").inc()
