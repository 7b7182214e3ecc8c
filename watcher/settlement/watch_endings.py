"""Sees to it that every crucible ends: with a result when its time is over, with every fee back when it is cancelled.

Nothing depends on a message being seen: rows say what is to come, and a look every second finds what is due by the
database's clock. Any number of processes may do it at once.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

import structlog

from watcher.model.errors import RefusedError, TemporaryError
from watcher.model.settlement import FINISHED, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, SettlementState
from watcher.postgres.faults import ViolationError
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import settlement
from watcher.postgres.own.settlement import Settlement, StepResult, WaitingEndings
from watcher.postgres.session import Session
from watcher.runtime.failpoint import reach
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal
from watcher.settlement.faults import OvertakenError, ParkedError
from watcher.settlement.moving import Wait, moved
from watcher.settlement.steps import Steps

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks for endings that are to go on. Longer: results come later; shorter: more questions."""


REFUSED_SECONDS: Final = 30.0
"""Seconds for which a refusal stands after an ending was to be tried again: by another process, perhaps, that has less
to do. Longer: it is told when it is over; shorter: an alert ends between two tries."""


class EndingObserver(Protocol):
    """Hears what becomes of endings."""

    def moved(self, one: Settlement) -> None:
        """Hear that an ending has come to another state."""
        ...

    def parked(self, one: Settlement, reason: str) -> None:
        """Hear that an ending waits for somebody to look."""
        ...

    def waiting(self, found: Sequence[WaitingEndings]) -> None:
        """Hear how many endings are under way, by state."""
        ...

    def away(self, error: TemporaryError, crucible_id: int | None) -> None:
        """Hear that a neighbour is away, and an ending waits for it; None: all of them do."""
        ...


class WatchEndings:
    """Takes endings as far as they go: a task for a worker of the settle role.

    Args:
        open_session: connects to PostgreSQL.
        steps: takes endings from state to state.
        observer: hears what becomes of them.
        owner: names this process among others.
        sweep_seconds: between two looks at all crucibles.
        timeout: seconds that PostgreSQL has for each statement of a step.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        open_session: Callable[[], AbstractContextManager[Session]],
        steps: Steps,
        observer: EndingObserver,
        *,
        owner: str,
        sweep_seconds: float,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signal, self.retry = Signal(), Retry(1.0, 30.0)
        self._session, self._steps, self._observer = KeptSession(open_session), steps, observer
        self._owner, self._sweep_seconds, self._clock = owner, sweep_seconds, clock
        self._timeout = timeout
        self._sweep_at = 0.0
        self._refused: tuple[RefusedError, float] | None = None

    def turn(self) -> float:
        """Take every ending as far as it goes now; return the seconds until there may be more."""
        with self._session.kept() as session:
            if self._clock() >= self._sweep_at:
                settlement.note_crucibles(session)
                self._observer.waiting(settlement.waiting(session))
                self._sweep_at = self._clock() + self._sweep_seconds
            while not self.signal.stopping and (one := settlement.claim(session, self._owner)) is not None:
                self._go_on(session, one)
            due = settlement.next_due_seconds(session)
        return LOOK_SECONDS if due is None else min(LOOK_SECONDS, max(0.01, due))

    def run_one(self, crucible_id: int) -> bool:
        """Take one ending as far as it goes now, however long it was to wait; return whether there was one to take."""
        with self._session.kept() as session:
            settlement.note_crucibles(session)
            one = settlement.claim(session, self._owner, crucible_id)
            if one is not None:
                self._go_on(session, one)
        return one is not None

    def away(self, error: TemporaryError) -> None:
        """Tell that PostgreSQL is away."""
        self._observer.away(error, None)

    def refused_in_part(self) -> RefusedError | None:
        """Return what a neighbour has said to an ending that waits for it; until it has been tried once more."""
        said, until = self._refused or (None, 0.0)
        return said if self._clock() < until else None

    def end(self) -> None:
        """Close the connection to PostgreSQL."""
        self._session.drop()

    def _go_on(self, session: Session, one: Settlement) -> None:
        reach("ending.claimed")
        try:
            while True:
                with session.patient(self._timeout):
                    found = self._steps.step(session, one)
                if isinstance(found, Wait):
                    settlement.release(session, one, found.seconds)
                    return
                if found.state is not one.state:
                    self._observer.moved(found)
                one = found
                if one.state in FINISHED:
                    return
                if self.signal.stopping:
                    settlement.release(session, one, 0.0)
                    return
        except ViolationError as error:  # a rule of the site's tables that these values break: no wait helps
            self._park(session, one, error)
        except TemporaryError as error:
            self._let_wait(session, one, error)
        except OvertakenError as error:
            log.warning("ending.overtaken", crucible=one.crucible_id, error=str(error))
        except Exception as error:  # noqa: BLE001 - one crucible of which nobody foresaw something must not hold up all others
            self._park(session, one, error)

    def _let_wait(self, session: Session, one: Settlement, error: TemporaryError) -> None:
        wait = _wait_seconds(one.attempts)
        # Where it is PostgreSQL that is away this fails as well, and all of them wait.
        settlement.release(session, one, wait, str(error))
        if isinstance(error, RefusedError):
            self._refused = error, self._clock() + wait + REFUSED_SECONDS
        self._observer.away(error, one.crucible_id)

    def _park(self, session: Session, one: Settlement, error: Exception) -> None:
        reason = str(error)
        if not isinstance(error, ParkedError):
            log.error("ending.failed", crucible=one.crucible_id, exc_info=error)
            reason = f"{type(error).__name__}: {error}. Once that is mended, `crucible settle retry {one.crucible_id}`"
        details = error.details if isinstance(error, ParkedError) else {}
        try:
            with session.together():
                moved(session, one, SettlementState.PARKED, StepResult(reason=reason))
                if details:
                    settlement.add_step(session, one.crucible_id, self._owner, SettlementState.PARKED, details)
        except OvertakenError as overtaken:
            log.warning("ending.overtaken", crucible=one.crucible_id, error=str(overtaken))
            return
        self._observer.parked(one, reason)


def _wait_seconds(attempts: int) -> float:
    """Return how long an ending waits after so many failures in a row, and one more.

    >>> [_wait_seconds(attempts) for attempts in (0, 1, 5, 1_000)]
    [1.0, 2.0, 32.0, 60.0]
    """
    return min(FIRST_WAIT_SECONDS * 2.0 ** min(attempts, 32), LONGEST_WAIT_SECONDS)
