"""Admission, put together: work of the watch role."""

from functools import partial

import structlog

from config import Settings
from watcher.bootstrap.clients import redis_client, site_session
from watcher.model.errors import TemporaryError
from watcher.redis.admissions import Admissions
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.neighbours import event_of
from watcher.visibility.admission import Admission, Neighbours

log = structlog.get_logger(__name__)


def compose_admission(settings: Settings, metrics: Metrics) -> Admission:
    """Return the work of admitting entries; its connections are made when they are first used.

    Raises:
        TemporaryError: Redis is a cluster, and away.
    """
    neighbours = Neighbours(
        open_session=partial(site_session, settings),
        admissions=Admissions(redis_client(settings)),
        away=_away,
    )
    return Admission(neighbours, metrics.visibility, settings.admission.sweep_interval, undecided(settings))


def undecided(settings: Settings) -> bool | None:
    """Return whether an entry takes part about which nothing was decided; None: that is waited for."""
    return None if settings.entries.mode == "enforce" else True


def _away(error: TemporaryError) -> None:
    log.warning(event_of(error), neighbour="admission", error=str(error))
