"""Admission, put together: a thread of the watch role."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import structlog

from config import Settings
from watcher.bootstrap.clients import redis_client
from watcher.model.errors import TemporaryError
from watcher.postgres.session import open_session
from watcher.redis.admissions import Admissions
from watcher.telemetry.metrics import Metrics
from watcher.visibility.admission import Admission, Neighbours

log = structlog.get_logger(__name__)

CLOSING: Final = 2.0
"""Seconds that the thread has to end; what it leaves is the next sweep's. Longer: past the 30 seconds after which
Kubernetes kills, of which the change stream and the votes' threads may have taken 27."""


@contextmanager
def admitting(settings: Settings, metrics: Metrics, failed: Callable[[Exception], None]) -> Iterator[Admission]:
    """The thread, for the length of the block; its connections are made when they are first used.

    Args:
        settings: everything.
        metrics: the process' metrics.
        failed: told of an error that does not go away by itself.

    Raises:
        TemporaryError: Redis is a cluster, and away.
    """
    postgres = settings.postgres
    neighbours = Neighbours(
        open_session=partial(open_session, postgres.dsn.get_secret_value(), postgres.watcher_schema, postgres.timeout),
        admissions=Admissions(redis_client(settings)),
        away=_away,
    )
    thread = Admission(neighbours, metrics, settings.admission.sweep_interval, failed)
    thread.start()
    try:
        yield thread
    finally:
        thread.close(CLOSING)


def _away(error: TemporaryError) -> None:
    log.warning("neighbour.away", neighbour="admission", error=str(error))
