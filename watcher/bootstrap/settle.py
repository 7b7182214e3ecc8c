"""The settle role, put together: what moves money, with a database role and secrets of its own."""

import os
import socket
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from config import Settings, require_role
from watcher.bootstrap.ballots import ballots
from watcher.bootstrap.clients import notification_client, redis_client
from watcher.bootstrap.endings import compose_endings, settle_session
from watcher.bootstrap.entries import fee_policy
from watcher.bootstrap.neighbours import look_at_neighbours
from watcher.bootstrap.process import running
from watcher.buzz.http import HttpBuzz
from watcher.buzz.ledger import Ledger
from watcher.buzz.port import Buzz
from watcher.entries.decider import Decider
from watcher.entries.fee_executor import FeeExecutor
from watcher.migrations.postgres.migrate import pending
from watcher.model.errors import SchemaPendingError, TemporaryError
from watcher.notify.executor import TAKEN_AT_ONCE, NoticeExecutor
from watcher.notify.http import HttpNotifier
from watcher.notify.port import Notifier
from watcher.notify.table import NoticeTable
from watcher.outbox.dispatcher import Dispatcher
from watcher.outbox.report import CountOutbox, OutboxReport
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import crucible_event
from watcher.postgres.pooling import is_pooled
from watcher.postgres.session import Session, open_session
from watcher.runtime.http_client import HttpClient
from watcher.runtime.retry import Retry, retry, unfit
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Worker
from watcher.settlement.checkpoints import ScoreCheckpoints
from watcher.settlement.prize_executor import PrizeExecutor
from watcher.settlement.report import EndingReport
from watcher.telemetry.health import Health
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)

AT_THE_START: Final = Retry(1.0, 5.0, give_up=unfit)
"""Waits between attempts to reach PostgreSQL. Longer: a later start; shorter: it is hammered as it starts."""
TICK_SECONDS: Final = 1.0
"""Seconds between two turns of the main thread that liveness hears of."""


def settle(settings: Settings) -> None:
    """Run the settle role until SIGTERM or SIGINT.

    Raises:
        ConfigError: it is not said who settles, or where the books are.
        StopError: going on would lose or double something; the message names the next command.
        UnfitError: PostgreSQL refuses at the start.
    """
    require_role(settings)
    metrics = Metrics(CollectorRegistry())
    with running(settings, metrics) as (health, shutdown):
        look_at_neighbours(health, metrics, shutdown)
        start_settling(settings, metrics, health, shutdown)
        health.started()
        while not shutdown.pause(TICK_SECONDS):
            health.turned()


def start_settling(
    settings: Settings, metrics: Metrics, health: Health, shutdown: Shutdown, *, alone: bool = True
) -> None:
    """Start the workers that carry out the outbox; return once PostgreSQL has answered, or the process is to end."""
    connect = partial(settle_session, settings)
    health.check("postgres" if alone else "settle.postgres", KeptSession(connect).ping)

    def away(neighbour: str, error: TemporaryError) -> None:
        log.warning(event_of(error), neighbour=neighbour, error=str(error))
        health.awaits(neighbour, error)
        health.turned()

    try:
        retry(partial(_check_migrated, connect), AT_THE_START, shutdown.pause, partial(away, "postgres"))
        buzz = retry(partial(_books, settings), AT_THE_START, shutdown.pause, partial(away, "the books"))
    except TemporaryError:
        if shutdown.begun:
            return
        raise
    fees = FeeExecutor(buzz, connect, Decider(fee_policy(settings), "settle"))
    executor = PrizeExecutor(buzz, fees, crucible_event.write)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    dispatcher = Dispatcher(connect, executor, OutboxReport(metrics.outbox), owner)
    shutdown.run(Worker("outbox", dispatcher, shutdown.fail))
    notices = NoticeExecutor(_notifier(settings, connect), connect)
    telling = Dispatcher(connect, notices, OutboxReport(metrics.outbox), owner, taken_at_once=TAKEN_AT_ONCE)
    shutdown.run(Worker("outbox-notify", telling, shutdown.fail))
    shutdown.run(Worker("outbox-count", CountOutbox(connect, metrics.outbox), shutdown.fail))
    if settings.settlement.mode == "on":
        votes = ExitStack()
        shutdown.on_end(votes.close)
        stored = votes.enter_context(ballots(settings, metrics, connect))
        endings = compose_endings(settings, connect, stored, EndingReport(metrics.settlement), owner)
        shutdown.run(Worker("endings", endings, shutdown.fail))
        client = retry(partial(redis_client, settings), AT_THE_START, shutdown.pause, partial(away, "redis"))
        shutdown.on_end(client.close)
        checkpoints = ScoreCheckpoints(connect, client, metrics.settlement, settings.settlement.checkpoint_interval)
        shutdown.run(Worker("checkpoints", checkpoints, shutdown.fail))


def _ledger_session(settings: Settings) -> AbstractContextManager[Session]:
    dsn = settings.settle.dsn.get_secret_value() if settings.settle.dsn else ""
    return open_session(dsn, settings.buzz.ledger_schema, settings.postgres.timeout, application="crucible-settle")


def _books(settings: Settings) -> Buzz:
    if settings.buzz.books == "ledger":
        ledger = Ledger(partial(_ledger_session, settings))
        ledger.make()
        return ledger
    return HttpBuzz(HttpClient("the Buzz service", "buzz.url", settings.buzz.url or "", settings.buzz.timeout))


def _notifier(settings: Settings, connect: "partial[AbstractContextManager[Session]]") -> Notifier:
    if settings.notify.url is None:
        return NoticeTable(connect)
    return HttpNotifier(notification_client(settings))


def _check_migrated(connect: "partial[AbstractContextManager[Session]]") -> None:
    """See that the watcher's tables are there: they belong to the watcher's role, which makes them.

    Raises:
        SchemaPendingError: they are older than this program.
        SplitTransactionsError: a pooler takes transactions apart.
    """
    with connect() as session:
        is_pooled(session)
        if missing := pending(session):
            raise SchemaPendingError(
                f"postgres lacks migrations of this version ({len(missing)}): run `crucible migrate up` as the "
                "watcher's role, then start again"
            )
