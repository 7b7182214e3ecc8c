"""Forgets events that are older than anybody needs them.

They are carried to Kafka from PostgreSQL's log, so a row may be gone by then and nothing is lost. Rows are kept for
a connector that starts anew.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import structlog

from watcher.model.errors import TemporaryError
from watcher.postgres.own import crucible_event
from watcher.postgres.session import Session
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 600.0
"""Seconds between two looks. Longer: rows stay longer than was said; shorter: more questions."""
FORGOTTEN_AT_ONCE: Final = 5_000
"""Rows of one statement. More: it may outlast its time limit; fewer: more statements."""


class ForgetEvents:
    """Forgets old events: a task for a worker of the watch role, in any number of processes at once.

    Args:
        open_session: connects to PostgreSQL, for the length of a block.
        keep_days: for how many days events are kept.
    """

    def __init__(self, open_session: Callable[[], AbstractContextManager[Session]], keep_days: int) -> None:
        self.signal, self.retry = Signal(), Retry(1.0, 60.0)
        self._open, self._keep_days = open_session, keep_days

    def turn(self) -> float:
        """Forget what is old enough; return the seconds until the next look."""
        with self._open() as session:
            while not self.signal.stopping:
                if crucible_event.forget(session, self._keep_days, FORGOTTEN_AT_ONCE) < FORGOTTEN_AT_ONCE:
                    break
        return LOOK_SECONDS

    def away(self, error: TemporaryError) -> None:
        """Log that PostgreSQL is away: nothing is lost by forgetting later."""
        log.warning(event_of(error), neighbour="events", error=str(error))

    def end(self) -> None:
        """Do nothing: connections are opened for a turn."""
