"""The verifier of Redis, put together: for every role, and for the commands that rebuild."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from config import Settings
from watcher.bootstrap.clients import connect_clickhouse, redis_client, site_session
from watcher.bootstrap.visibility import undecided
from watcher.clickhouse.queries import queries
from watcher.clickhouse.vote_history import VoteHistory
from watcher.clickhouse.vote_tables import VoteTables
from watcher.postgres.session import Session
from watcher.recovery.comparison_pool import ComparisonConnections, ComparisonPool
from watcher.recovery.verifier import Verifier
from watcher.redis.client import Client
from watcher.redis.vote_log import VoteLog
from watcher.telemetry.logs import set_up_logs
from watcher.telemetry.metrics import Metrics
from watcher.votes.drain import Drain
from watcher.votes.report import VoteReport

OpenSite = Callable[[], AbstractContextManager[Session]]
"""Opens a connection to the site's PostgreSQL, for the length of a block."""


@dataclass(frozen=True, slots=True)
class Verification:
    """A verifier and what it works with; it has no thread, so whoever has a crucible compared waits for it."""

    verifier: Verifier
    client: Client
    """Redis."""
    open_site: OpenSite
    pool: ComparisonPool

    def close(self) -> None:
        """Release the locks that are held, so that the next process need not wait, and close the connections."""
        self.verifier.release()
        self.pool.close()
        self.client.close()


def compose_verification(settings: Settings, report: VoteReport, open_site: OpenSite | None = None) -> Verification:
    """Return a verifier for a role. Connections are made when they are first used.

    Args:
        settings: where the neighbours are.
        report: told of what is compared and drained.
        open_site: connects to PostgreSQL; None: as the watcher's role.

    Raises:
        TemporaryError: Redis is a cluster, and away.
    """
    return _compose(settings, report, open_site or partial(site_session, settings))


@contextmanager
def verifying(settings: Settings) -> Iterator[Verification]:
    """Give a verifier for a command, with what it works with; what it does is told in the log."""
    set_up_logs("warning", settings.log.format)
    with verifying_unheard(settings) as verification:
        yield verification


@contextmanager
def verifying_unheard(settings: Settings) -> Iterator[Verification]:
    """Give a verifier that tells nobody of its comparisons, with what it works with."""
    report = VoteReport(Metrics(CollectorRegistry()).votes)
    verification = _compose(settings, report, partial(site_session, settings))
    try:
        yield verification
    finally:
        verification.close()


def _compose(settings: Settings, report: VoteReport, open_site: OpenSite) -> Verification:
    client = redis_client(settings)
    connect, asked = partial(connect_clickhouse, settings), queries()

    def connections() -> ComparisonConnections:
        return ComparisonConnections(VoteHistory(connect, asked), VoteTables(connect, asked), drain)

    def drain(tables: VoteTables) -> Drain:
        return Drain(VoteLog(client), tables, report, settings.votes.max_plan_votes)

    pool = ComparisonPool(connections)
    verifier = Verifier(client, open_site, pool.lend, report.verified, undecided(settings))
    return Verification(verifier, client, open_site, pool)
