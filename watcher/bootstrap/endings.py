"""Settling crucibles, put together: work of the settle role, and of its commands."""

from contextlib import AbstractContextManager
from functools import partial

from config import Settings
from watcher.bootstrap.entries import fee_policy
from watcher.bootstrap.verification import OpenSite
from watcher.entries.decider import Decider
from watcher.postgres.own import crucible_event
from watcher.postgres.session import Session, open_session
from watcher.settlement.announcing import announce
from watcher.settlement.last_entries import LastEntries
from watcher.settlement.ports import Ballots
from watcher.settlement.refunds import Refunds
from watcher.settlement.result import ResultWriter
from watcher.settlement.steps import Steps
from watcher.settlement.watch_endings import EndingObserver, WatchEndings


def settle_session(settings: Settings) -> AbstractContextManager[Session]:
    """Give a connection to PostgreSQL as the role that settles.

    Raises:
        PostgresRefusedError: the role may not do what is needed.
        TemporaryError: PostgreSQL is away.
    """
    dsn = settings.settle.dsn.get_secret_value() if settings.settle.dsn else ""
    postgres = settings.postgres
    return open_session(dsn, postgres.watcher_schema, postgres.timeout, application="crucible-settle")


def compose_endings(
    settings: Settings, open_session: OpenSite, ballots: Ballots, observer: EndingObserver, owner: str
) -> WatchEndings:
    """Return the work of settling crucibles; its connections are made when they are first used.

    Args:
        settings: everything.
        open_session: connects to PostgreSQL as the role that settles.
        ballots: the votes.
        observer: hears what becomes of endings.
        owner: names this process among others.
    """
    policy, wanted = fee_policy(settings), settings.settlement
    entries = LastEntries(Decider(policy, "settle"))
    tell = partial(announce, payouts=wanted.payouts)
    result = ResultWriter(
        tell, observe=policy.observe, payouts=wanted.payouts
    )  # fmt: skip
    steps = Steps(
        ballots, entries, result, Refunds(entries, tell, observe=policy.observe),
        tell=crucible_event.write, fee_patience=wanted.fee_patience,
    )  # fmt: skip
    return WatchEndings(
        open_session, steps, observer, owner=owner, sweep_seconds=wanted.sweep_interval, timeout=wanted.step_timeout
    )
