"""Score checkpoints: every few minutes the site's own table shows what votes have made of crucibles that go on.

Judges and the API are answered from Redis; these columns are for everybody else who reads the site's tables. They are
written in bulk, only where they have changed, and never once the crucible's end was acted upon: from then on they are
the result's. They come back as changes of rows in which nothing has changed that anybody counts or decides by.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import structlog

from watcher.model.errors import TemporaryError
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.session import Session
from watcher.postgres.site.checkpoints import write_scores
from watcher.postgres.site.contests import unfinished
from watcher.redis.client import Client
from watcher.redis.vote_places import vote_places
from watcher.redis.voted_entries import voted_pages
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal
from watcher.telemetry.metrics.settlement import SettlementMetrics
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)

NEIGHBOUR_AWAY: Final = Retry(5.0, 60.0)
"""Waits after a checkpoint that failed. Nobody waits for it. Shorter: a neighbour that comes back is busy with this."""


class ScoreCheckpoints:
    """Writes score checkpoints: a task for a worker of the settle role.

    Args:
        open_session: connects to PostgreSQL as the role that settles.
        client: Redis.
        metrics: the process' metrics.
        interval: seconds between two looks at all active crucibles.
    """

    def __init__(
        self,
        open_session: Callable[[], AbstractContextManager[Session]],
        client: Client,
        metrics: SettlementMetrics,
        interval: float,
    ) -> None:
        self.signal, self.retry = Signal(), NEIGHBOUR_AWAY
        self._session, self._client = KeptSession(open_session), client
        self._metrics, self._interval = metrics, interval
        self._written: dict[int, tuple[int, int]] = {}
        metrics.checkpoint_timestamp.set_to_current_time()  # until the first one: 0 would be an age of fifty years

    def turn(self) -> float:
        """Write the scores of every active crucible that was voted on since; return the seconds until the next time.

        Raises:
            TemporaryError: a neighbour is away, or refuses.
        """
        rows, crucibles = self._look()
        self._session.drop()  # minutes pass until the next time
        if not self.signal.stopping:
            self._metrics.checkpoint_timestamp.set_to_current_time()
        if rows:
            log.info("checkpoint.written", rows=rows, crucibles=crucibles)
        return self._interval

    def _look(self) -> tuple[int, int]:
        """Write what has changed; return how many rows were written, and how many crucibles were looked at."""
        with self._session.kept() as session:
            active = unfinished(session, "Active")
            places = dict(vote_places(self._client, active))
            self._written = {one: place for one, place in self._written.items() if one in places}
            rows = 0
            for crucible_id, place in places.items():
                if self.signal.stopping:
                    break
                if self._written.get(crucible_id) == place:
                    continue
                written = self._write(session, crucible_id)
                if written is not None:
                    rows += written
                    self._written[crucible_id] = place  # votes that came since have a higher one
        return rows, len(places)

    def away(self, error: TemporaryError) -> None:
        """Count and log that a neighbour is away."""
        self._metrics.checkpoint_errors.inc()
        log.warning(event_of(error), neighbour="checkpoint", error=str(error))

    def end(self) -> None:
        """Close the connection to PostgreSQL."""
        self._session.drop()

    def _write(self, session: Session, crucible_id: int) -> int | None:
        """Write one crucible's scores, and return how many rows were others before; None if not all were looked at."""
        written = 0
        for page in voted_pages(self._client, crucible_id):
            rows = write_scores(session, crucible_id, page)
            if rows is None or self.signal.stopping:
                return None
            self._metrics.checkpoint_rows.inc(rows)
            written += rows
        return written
