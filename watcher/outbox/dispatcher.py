"""Carries out the rows of one channel: takes some, does what they say, and writes down what it came to.

What a row comes to and what follows from it are one transaction, so a crash at any point leaves a row that is pending,
or one that is sending and will be looked up. Any number of processes may do it at once.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

import structlog

from watcher.model.errors import TemporaryError
from watcher.model.outbox import (
    LEASE_SECONDS,
    DeliveryOutcome,
    NotSent,
    OutboxRow,
    OutboxState,
    OutboxStep,
    Refused,
    Unknown,
    after,
)
from watcher.postgres.faults import ViolationError
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import outbox
from watcher.postgres.session import Session
from watcher.runtime.failpoint import reach
from watcher.runtime.http_client import OutcomeUnknownError
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal

log = structlog.get_logger(__name__)

TAKEN_AT_ONCE: Final = 20
"""Rows that one dispatcher takes at a time, where nothing else is said. More: those at the end may outlast their lease
behind a slow service."""
LOOK_SECONDS: Final = 1.0
"""Seconds between two looks for rows while nothing is due. Shorter: more questions; longer: fees are taken later."""


class Executor(Protocol):
    """Does what the rows of a channel say."""

    channel: str

    def execute(self, row: OutboxRow) -> DeliveryOutcome:
        """Do what a row says, and return what it came to; one that may have been sent before is looked up first.

        Raises:
            TemporaryError: it was not sent, or, if the error says so, its outcome is unknown.
        """
        ...

    def follow(self, session: Session, row: OutboxRow, outcome: DeliveryOutcome, step: OutboxStep) -> None:
        """Write what follows from it, in the transaction in which it is written down."""
        ...


class DispatchObserver(Protocol):
    """Hears what became of rows."""

    def dispatched(self, row: OutboxRow, step: OutboxStep) -> None:
        """Hear that an attempt is over."""
        ...

    def away(self, error: TemporaryError) -> None:
        """Hear that PostgreSQL is away, so that nothing is dispatched until it answers."""
        ...


class Dispatcher:
    """Carries out the rows of one channel: a task for a worker.

    Args:
        open_session: connects to PostgreSQL.
        executor: does what rows say.
        observer: hears what became of them.
        owner: names this process among others.
        spread: 0 to 1 by chance.
        taken_at_once: rows that it takes at a time.
    """

    def __init__(
        self,
        open_session: Callable[[], AbstractContextManager[Session]],
        executor: Executor,
        observer: DispatchObserver,
        owner: str,
        spread: Callable[[], float] = random.random,
        *,
        taken_at_once: int = TAKEN_AT_ONCE,
    ) -> None:
        self.signal, self.retry = Signal(), Retry(1.0, 30.0)
        self._session, self._executor, self._observer = KeptSession(open_session), executor, observer
        self._owner, self._spread, self._taken_at_once = owner, spread, taken_at_once

    def turn(self) -> float:
        """Carry out what is due; return the seconds until there may be more."""
        with self._session.kept() as session:
            rows = outbox.take(session, self._executor.channel, self._taken_at_once, self._owner, LEASE_SECONDS)
            for row in rows:
                if self.signal.stopping:
                    self._give_back(session, row)
                else:
                    self._carry_out(session, row)
            if rows:
                return 0.0
            due = outbox.next_due_seconds(session, self._executor.channel)
        return LOOK_SECONDS if due is None else min(LOOK_SECONDS, max(0.05, due))

    def away(self, error: TemporaryError) -> None:
        """Tell that PostgreSQL is away."""
        self._observer.away(error)

    def end(self) -> None:
        """Close the connection to PostgreSQL."""
        self._session.drop()

    def _carry_out(self, session: Session, row: OutboxRow) -> None:
        reach("outbox.taken")
        outcome = self._outcome(row)
        reach("outbox.answered")
        step = after(row, outcome, self._spread())
        try:
            is_written = self._write(session, row, outcome, step)
        except ViolationError as error:  # what it came to fits no column: the others are not to wait for it
            outcome = Refused(f"what it came to cannot be written down: {error}")
            step = after(row, outcome, 0.0)
            is_written = self._write(session, row, outcome, step)
        if is_written:
            self._observer.dispatched(row, step)

    def _write(self, session: Session, row: OutboxRow, outcome: DeliveryOutcome, step: OutboxStep) -> bool:
        """Write down what a row came to and what follows from it; return whether the row was still ours."""
        with session.together():
            if not outbox.finish(session, row, step, self._owner):
                log.warning("outbox.overtaken", id=row.id, key=row.key)
                return False
            self._executor.follow(session, row, outcome, step)
            reach("outbox.finishing")
        reach("outbox.finished")
        return True

    def _outcome(self, row: OutboxRow) -> DeliveryOutcome:
        try:
            return self._executor.execute(row)
        except OutcomeUnknownError as error:
            return Unknown(str(error))
        except TemporaryError as error:
            return NotSent(str(error))
        except Exception as error:  # one row's: a process that ended because of it would find it again, and end again
            log.exception("outbox.failed", id=row.id, key=row.key)
            return Unknown(f"{type(error).__name__}: {error}")

    def _give_back(self, session: Session, row: OutboxRow) -> None:
        """Leave a row that was taken and not begun as it was found."""
        state = OutboxState.UNKNOWN if row.perhaps_sent else OutboxState.PENDING
        outbox.finish(session, row, OutboxStep(state), self._owner)
