"""The comparison that the watch role makes by turns, put together."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from socket import gethostname
from typing import Final

import structlog

from config import Settings
from watcher.bootstrap.clients import connect_clickhouse, reader_session, site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.reconciling import counted_tables
from watcher.bootstrap.reconciling_crucibles import CrucibleComparer
from watcher.bootstrap.rolling_others import others
from watcher.bootstrap.verification import verifying_unheard
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.kafka.admin import KafkaAdmin
from watcher.postgres.session import Session
from watcher.reconcile.daemon.drift_report import DriftReport
from watcher.reconcile.daemon.rolling import RollingComparison
from watcher.reconcile.others import PLACES
from watcher.reconcile.repairs.stream import Stream
from watcher.reconcile.stores import Stores
from watcher.runtime.deadline import Deadline
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Worker
from watcher.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

MAX_END_SECONDS: Final = 1.0
"""Seconds that the end of the process waits for a comparison under way. Shorter: a turn that could note what it has
found does not; longer: the process ends later."""


def start_comparing(settings: Settings, metrics: Metrics, shutdown: Shutdown) -> None:
    """Start the worker, where ``reconcile.interval`` asks for it."""
    if not settings.reconcile.interval:
        return
    tables = counted_tables(settings)
    reads = ClickHouseReads(partial(connect_clickhouse, settings), queries())
    rolling = RollingComparison(
        list(tables.values()),
        partial(site_session, settings),
        partial(_stores, settings, reads),
        DriftReport(metrics.reconcile, tables, PLACES),
        owner=f"{gethostname()}:{os.getpid()}",
        interval=settings.reconcile.interval,
        auto_fix=settings.reconcile.auto_fix,
    )
    shutdown.run(LetGo("reconcile", rolling, shutdown.fail))


class LetGo(Worker):
    """The worker of comparisons, which the end of the process does not wait for long: another process goes on there."""

    def close(self, deadline: Deadline) -> bool:
        """Wait for a second at most; return whether it has ended."""
        return super().close(Deadline.after(min(deadline.remaining(), MAX_END_SECONDS)))


def _heard(text: str) -> None:
    log.info("drift.waiting", says=text)


@contextmanager
def _stores(
    settings: Settings, reads: ClickHouseReads, session: Session, pause: Callable[[float], None]
) -> Iterator[Stores]:
    """Give what a turn needs; Kafka is asked only where something differs."""
    insert = PlannedInsert(REPAIRS, ClickHouseLink(partial(connect_clickhouse, settings)), queries())

    def await_passed(lsn: int) -> None:
        kafka = settings.kafka
        Stream(
            session,
            KafkaAdmin(kafka_client(kafka)),
            slot=settings.reconcile.slot,
            group=kafka.group,
            topics=kafka.topics,
            told=_heard,
            pause=pause,
        ).await_passed(lsn)

    try:
        with (
            reader_session(settings, session) as reader,
            CrucibleComparer(
                settings, session, "watchers", _heard, pause=pause, verifying=verifying_unheard
            ) as comparer,
        ):
            replica = None if reader is session else reader
            more = others(settings, comparer, await_passed, pause)
            yield Stores(session, reads, insert, await_passed, pause, reader=replica, others=more)
    finally:
        insert.close()
