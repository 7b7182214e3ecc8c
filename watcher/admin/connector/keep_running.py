"""Looks after the connectors: tells how their tasks are, and restarts those that have failed.

Kafka Connect leaves a task that has failed as it is, whatever the reason; most are gone a moment later (PostgreSQL was
started anew, a broker was away). What a person has paused or stopped is left alone. Of several processes one does it at
a time: it has a lease in PostgreSQL, where restarts are noted before they are asked for, so that neither a crash nor
a change of process makes more of them.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final

import structlog

from watcher.admin.connector.answers import ConnectorStatus
from watcher.admin.connector.failure import failure_text
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.rest import Connect, ConnectRefusedError
from watcher.model.errors import RefusedError, TemporaryError
from watcher.model.restarts import MAX_RESTARTS, restart_due_in
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import connector
from watcher.postgres.own.connector import Claimed
from watcher.postgres.session import Session
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal
from watcher.telemetry.metrics.catalogue import forget
from watcher.telemetry.metrics.connector import CONNECTOR_STATES, ConnectorMetrics
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 15.0
"""Seconds between two looks. Longer: a failed task stands for longer; shorter: an idle process is less idle."""
LEASE_SECONDS: Final = 60.0
"""Seconds for which the process that looks keeps that task: four looks. Shorter: a slow look makes two of them; longer:
after a crash nobody looks."""


class KeepRunning:
    """Tells how the tasks of connectors are, and restarts failed ones: a task for a worker of the watch role.

    Args:
        connect: a worker of Kafka Connect.
        names: the connectors; one that is not there is not missed.
        open_session: connects to PostgreSQL.
        metrics: of the process.
        owner: names this process among others.
    """

    def __init__(
        self,
        connect: Connect,
        names: Iterable[str],
        open_session: Callable[[], AbstractContextManager[Session]],
        metrics: ConnectorMetrics,
        owner: str,
    ) -> None:
        self.signal, self.retry = Signal(), Retry(LOOK_SECONDS, LOOK_SECONDS)
        self._connect, self._names, self._session = connect, tuple(names), KeptSession(open_session)
        self._metrics, self._owner = metrics, owner
        self._told: dict[str, str] = {}
        """What was last told of a connector that does not run."""

    def turn(self) -> float:
        """Look once, and return the seconds until the next look.

        Raises:
            TemporaryError: PostgreSQL or Kafka Connect is away or refuses; then nothing is known of the connectors.
        """
        soonest = LOOK_SECONDS
        try:
            with self._session.kept() as session:
                mine = {one.name: one for one in connector.claim(session, self._names, self._owner, LEASE_SECONDS)}
                for name in self._names:
                    if name in mine:
                        soonest = min(soonest, self._look(session, mine[name]))
                    else:
                        self._forget(name)
        except ConnectRefusedError as error:
            raise RefusedError(str(error)) from error
        return soonest

    def away(self, error: TemporaryError) -> None:
        """Log who is away; nothing is told of connectors of which nothing is known."""
        for name in self._names:
            self._forget(name)
        log.warning(event_of(error), neighbour="connectors", error=str(error))

    def end(self) -> None:
        """Let another process look at once.

        Raises:
            TemporaryError: PostgreSQL is away; another one looks when the lease is over.
        """
        try:
            with self._session.kept() as session:
                connector.give_back(session, self._owner)
        finally:
            self._session.drop()

    def _look(self, session: Session, one: Claimed) -> float:
        """Look at one connector and restart what has failed of it; return the seconds until the next look at it."""
        status = self._connect.status(one.name)
        if status is None:
            self._forget(one.name)
            return LOOK_SECONDS
        failed = bool(status.traces) and not status.at_rest
        connector.note_seen(session, one.name, failed=failed, rests=bool(status.at_rest))
        due = restart_due_in(one.failed_seconds, one.restarts) if failed else LOOK_SECONDS
        self._show(status, given_up=due is None)
        if not failed:
            if status.runs:
                self._tell(one.name, "runs", status)
            return LOOK_SECONDS
        self._tell(one.name, "given_up" if due is None else "failed", status)
        if due is None or due > 0:
            return due or LOOK_SECONDS
        connector.note_restart(session, one.name)
        self._connect.restart(one.name)
        self._metrics.connector_restarts.labels(one.name).inc()
        log.warning("connector.restarted", connector=one.name, restarts=len(one.restarts) + 1)
        return LOOK_SECONDS

    def _tell(self, name: str, state: str, status: ConnectorStatus) -> None:
        """Log what has become of a connector, once."""
        before, self._told[name] = self._told.get(name, "runs"), state
        if state == before:
            return
        if state == "runs":
            log.warning("connector.runs", connector=name)
            return
        why = failure_text(status, ConnectorFile(name, self._connect.config(name) or {}))
        do = "`crucible connector status`; mend it, then `crucible connector restart`"
        if state == "failed":
            log.error("connector.failed", connector=name, error=why, do=do)
        else:
            log.error("connector.given_up", connector=name, error=why, restarts=MAX_RESTARTS, do=do)

    def _show(self, status: ConnectorStatus, *, given_up: bool) -> None:
        states = [task.state.lower() for task in status.tasks]
        if status.connector.state == "FAILED":
            states.append("failed")
        for state in CONNECTOR_STATES:
            self._metrics.connector_tasks.labels(status.name, state).set(states.count(state))
        self._metrics.connector_given_up.labels(status.name).set(given_up)
        self._metrics.connector_restarts.labels(status.name)  # at 0, so that a rate sees the first one

    def _forget(self, name: str) -> None:
        """Take a connector out of the metrics: another process shows it, or nothing is known of it."""
        metrics = self._metrics
        for state in CONNECTOR_STATES:
            forget(metrics.connector_tasks, name, state)
        forget(metrics.connector_given_up, name)
