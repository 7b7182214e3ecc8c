"""What becomes of votes after they count, put together: the drain to ClickHouse, and the verifier of Redis."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry

import clickhouse_sql
from config import Settings
from watcher.bootstrap.clients import connect_clickhouse, redis_client, site_session
from watcher.clickhouse.vote_history import VoteHistory
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.errors import TemporaryError
from watcher.model.row_state import KEEP_FINISHED_SECONDS
from watcher.postgres.session import PostgresRefusedError, Session
from watcher.postgres.site.contests import unfinished
from watcher.postgres.site.finished import lately_finished
from watcher.recovery.comparison_pool import ComparisonPool, Connections
from watcher.recovery.sweep import Sweep
from watcher.recovery.verifier import Verifier
from watcher.recovery.verifier_thread import VerifierThread
from watcher.redis.client import Client
from watcher.redis.vote_log import VoteLog, hint_undrained
from watcher.telemetry.logs import set_up_logs
from watcher.telemetry.metrics import Metrics
from watcher.votes.balance import VoteBalance
from watcher.votes.drain import Drain
from watcher.votes.drainer import Drainer
from watcher.votes.report import VoteReport

CLOSING: Final = 2.0
"""Seconds that the threads have to end, all together; what they leave is finished by the next process. Longer: past the
30 seconds after which Kubernetes kills, of which the change stream may have taken 25."""
OpenSite = Callable[[], AbstractContextManager[Session]]
"""Opens a connection to the site's PostgreSQL, for the length of a block."""


class Votes:
    """The threads of a process that drain and keep.

    Args:
        settings: everything.
        metrics: the process' metrics.
        failed: told of an error that does not go away by itself.
    """

    def __init__(self, settings: Settings, metrics: Metrics, failed: Callable[[Exception], None]) -> None:
        report = VoteReport(metrics)
        client = redis_client(settings)
        site = partial(_patient_session, settings)
        self._comparison_pool = comparison_pool(settings, client, report)
        self.verifier = Verifier(client, site, self._comparison_pool.lend, report.verified)
        self._tables = VoteTables(partial(connect_clickhouse, settings), clickhouse_sql.queries())
        votes = VoteLog(client)
        drain = Drain(votes, self._tables, report, settings.votes.max_plan_votes)
        self.turn = drain.turn
        self._drainer = Drainer(drain, report, settings.votes.drain_interval, failed)
        self._history = VoteHistory(partial(connect_clickhouse, settings), clickhouse_sql.queries())
        self.balance = VoteBalance(client, self._history, report)
        self._verifier_thread = VerifierThread(
            Sweep(client, self.verifier),
            partial(_active, site, votes),
            self.balance.look,
            settings.votes.verify_interval,
            failed,
        )
        self._client = client

    def drain(self) -> None:
        """Begin to drain: every role does."""
        self._drainer.start()

    def keep(self) -> None:
        """Begin to look after all active crucibles: the watch role does; the API has only those kept that it meets."""
        self._verifier_thread.start()

    def missed(self, crucible_ids: frozenset[int]) -> None:
        """Redis does not hold these crucibles, though entries came for them."""
        self._verifier_thread.missed(crucible_ids)

    def close(self) -> None:
        """End the threads, both at once."""
        until = time.monotonic() + CLOSING
        self._drainer.close(0.0)  # only told
        self._verifier_thread.close(0.0)
        self._drainer.close(max(0.0, until - time.monotonic()))
        self._verifier_thread.close(max(0.0, until - time.monotonic()))
        self.verifier.let_go()
        self._tables.close()
        self._history.close()
        self._comparison_pool.close()
        self._client.close()


def comparison_pool(settings: Settings, client: Client, report: VoteReport) -> ComparisonPool:
    """What a verifier works with."""
    connect, queries = partial(connect_clickhouse, settings), clickhouse_sql.queries()

    def connections() -> Connections:
        return Connections(VoteHistory(connect, queries), VoteTables(connect, queries))

    def drain(tables: VoteTables) -> Drain:
        return Drain(VoteLog(client), tables, report, settings.votes.max_plan_votes)

    return ComparisonPool(connections, drain)


@contextmanager
def verifying(settings: Settings) -> Iterator[tuple[Verifier, OpenSite]]:
    """A verifier for a command, which answers for itself, and how it reaches PostgreSQL."""
    set_up_logs("warning", settings.log.format)
    client = redis_client(settings)
    report = VoteReport(Metrics(CollectorRegistry()))
    benches = comparison_pool(settings, client, report)
    try:
        site = partial(site_session, settings)
        yield Verifier(client, site, benches.lend, report.verified), site
    finally:
        benches.close()
        client.close()


@contextmanager
def _patient_session(settings: Settings) -> Iterator[Session]:
    """:func:`site_session` for a thread beside the change stream, which no missing right or table may end.

    Raises:
        TemporaryError: PostgreSQL is away or refuses; the message says what to run, and it may be run any time.
    """
    try:
        with site_session(settings) as session:
            yield session
    except PostgresRefusedError as error:
        raise TemporaryError(str(error)) from error


def _active(site: OpenSite, votes: VoteLog) -> list[int]:
    """The crucibles that take votes; on the way, those that took some until lately are not left undrained.

    The verifier has no eye on a finished one, and its log expires. So whoever holds votes still gets the hint back here
    that a crash between two commands may have taken.
    """
    with site() as session:
        hint_undrained(votes, lately_finished(session, KEEP_FINISHED_SECONDS))
        return unfinished(session, "Active")
