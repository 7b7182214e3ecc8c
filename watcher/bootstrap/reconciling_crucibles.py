"""Votes compared with themselves, their events and Redis, and Redis with the other stores, put together."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import Self

from config import Settings
from watcher.bootstrap.clients import connect_clickhouse
from watcher.bootstrap.verification import Verification, verifying
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.postgres.session import Session
from watcher.reconcile.finding import Finding, Findings
from watcher.reconcile.report import EXAMPLES
from watcher.reconcile.vote_repairs import VoteRepairer
from watcher.reconcile.votes import VoteComparison
from watcher.redis.locked_crucible import lock_crucible
from watcher.redis.vote_log import VoteLog


class CrucibleComparer:
    """Compares what is of crucibles. Redis is connected to when it is first needed.

    Args:
        settings: where the neighbours are.
        session: PostgreSQL, as the watcher's role.
        made_by: who mends, for the log.
    """

    def __init__(self, settings: Settings, session: Session, made_by: str) -> None:
        self._settings, self._session, self._made_by = settings, session, made_by
        self._connect, self._open = partial(connect_clickhouse, settings), ExitStack()
        self._reads = ClickHouseReads(self._connect, queries())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def votes(self, *, fix: bool) -> tuple[Finding, ...]:
        """Return what is wrong with votes and their events.

        Args:
            fix: whether to put right what can be derived.

        Raises:
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        comparison, findings = (
            VoteComparison(self._reads, VoteLog(self._verification.client).oldest),
            Findings(EXAMPLES),
        )
        if not fix:
            for one in comparison.doubtful():
                comparison.look(one, findings)
            return findings.all()
        link = ClickHouseLink(self._connect)
        self._open.callback(link.close)
        repairer = VoteRepairer(self._session, comparison, link, queries(), alone=self._alone, made_by=self._made_by)
        repairer.finish_open()
        for one in comparison.doubtful():
            repairer.mend(one, findings)
        return findings.all()

    @contextmanager
    def _alone(self, crucible_id: int) -> Iterator[bool]:
        with lock_crucible(self._verification.client, crucible_id, {}) as locked:
            if locked is None:
                yield False
                return
            with locked.renewed():
                yield True

    @cached_property
    def _verification(self) -> Verification:
        return self._open.enter_context(verifying(self._settings))
