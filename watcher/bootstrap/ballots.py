"""The votes of crucibles that end, put together: for the role that settles, and for its commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from config import Settings
from watcher.bootstrap.verification import OpenSite, compose_verification
from watcher.settlement.proof import StoredBallots
from watcher.telemetry.metrics import Metrics
from watcher.votes.report import VoteReport


@contextmanager
def ballots(settings: Settings, metrics: Metrics, open_session: OpenSite) -> Iterator[StoredBallots]:
    """Give the votes in Redis and ClickHouse; connections are made when first used, and closed at the end.

    Args:
        settings: where the neighbours are.
        metrics: told of what is drained and compared.
        open_session: connects to PostgreSQL, as whoever settles.

    Raises:
        TemporaryError: Redis is a cluster, and away.
    """
    verification = compose_verification(settings, VoteReport(metrics.votes), open_session)
    try:
        yield StoredBallots(verification.client, verification.verifier, verification.pool.lend)
    finally:
        verification.close()
