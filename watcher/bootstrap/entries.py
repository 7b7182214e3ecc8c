"""Deciding entries, put together: work of the watch role."""

from collections.abc import Sequence
from functools import partial

from config import Settings
from watcher.bootstrap.clients import redis_client, site_session
from watcher.entries.decider import Decider
from watcher.entries.report import EntryReport
from watcher.entries.watch_entries import WatchEntries
from watcher.model.entry_decision import FeePolicy
from watcher.postgres.site.entries import Arrived
from watcher.redis.client import Client
from watcher.redis.voted_on import voted_on
from watcher.telemetry.metrics import Metrics
from watcher.visibility.admission import Admission


def compose_entries(settings: Settings, metrics: Metrics, admission: Admission) -> WatchEntries:
    """Return the work of deciding entries; its connections are made when they are first used.

    Raises:
        TemporaryError: Redis is a cluster, and away.
    """

    def look(entries: Sequence[tuple[int, int, int]]) -> None:
        admission.decided(Arrived(*one) for one in entries)

    decider = Decider(fee_policy(settings), "watch", partial(_voted_on, redis_client(settings)))
    return WatchEntries(
        partial(site_session, settings), decider, EntryReport(metrics.entries, look), settings.entries.sweep_interval
    )


def fee_policy(settings: Settings) -> FeePolicy:
    """Return what the settings say of fees."""
    return FeePolicy(charge=settings.entries.charge, observe=settings.entries.mode == "observe")


def _voted_on(client: Client, crucible_id: int, entry_ids: Sequence[int]) -> set[int]:
    return voted_on(client, crucible_id, entry_ids)
