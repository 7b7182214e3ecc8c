"""Votes, views and Redis compared with what they come from, put together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import Self

from config import Settings
from watcher.bootstrap.clients import connect_clickhouse
from watcher.bootstrap.reconciling_views import compare_views, mend_views
from watcher.bootstrap.verification import Verification, verifying
from watcher.bootstrap.visibility import undecided
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.vote_history import VoteHistory
from watcher.postgres.own import repair
from watcher.postgres.session import Session
from watcher.reconcile.command.report import EXAMPLES
from watcher.reconcile.finding import Finding, Findings
from watcher.reconcile.redis.crucible import CrucibleLook
from watcher.reconcile.redis.crucibles import REDIS, Heard, RedisComparison
from watcher.reconcile.views import ViewReport
from watcher.reconcile.votes.comparison import VoteComparison
from watcher.reconcile.votes.repairer import VoteRepairer
from watcher.redis.locked_crucible import lock_crucible
from watcher.redis.vote_log import VoteLog
from watcher.votes.balance import VoteBalance


class CrucibleComparer:
    """Compares what is of crucibles. Redis is connected to when it is first needed.

    Args:
        settings: where the neighbours are.
        session: PostgreSQL, as the watcher's role.
        made_by: who mends, for the log.
        told: is told, in a line a time, what is going on.
    """

    def __init__(self, settings: Settings, session: Session, made_by: str, told: Callable[[str], None]) -> None:
        self._settings, self._session, self._made_by, self._told = settings, session, made_by, told
        self._connect, self._open = partial(connect_clickhouse, settings), ExitStack()
        self._reads = ClickHouseReads(self._connect, queries())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def votes(self, *, fix: bool, only: int | None = None) -> tuple[Finding, ...]:
        """Return what is wrong with votes and their events.

        Args:
            fix: whether to put right what can be derived.
            only: the crucible to look at; None: all.

        Raises:
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        comparison, findings = (
            VoteComparison(self._reads, VoteLog(self._verification.client).oldest),
            Findings(EXAMPLES),
        )
        crucibles = comparison.doubtful() if only is None else [only]
        if not fix:
            for one in crucibles:
                comparison.look(one, findings)
            return findings.all()
        link = ClickHouseLink(self._connect)
        self._open.callback(link.close)
        repairer = VoteRepairer(self._session, comparison, link, queries(), alone=self._alone, made_by=self._made_by)
        repairer.finish_open()
        for one in crucibles:
            repairer.mend(one, findings)
        return findings.all()

    def views(self, *, fix: bool) -> tuple[ViewReport, ...]:
        """Return the views that show something else than their tables.

        Args:
            fix: whether to make them anew.

        Raises:
            TemporaryError: a neighbour is away.
            MigrationError: ClickHouse refuses, or a view stays different.
        """
        if fix:
            return mend_views(self._settings, self._session, self._told, self._made_by)
        return compare_views(self._settings, self._told)

    def redis(self, heard: Heard, *, fix: bool, only: int | None = None) -> tuple[Finding, ...]:
        """Return what Redis shows otherwise than the other stores say.

        Args:
            heard: told how many crucibles are compared.
            fix: whether to have the verifier put right what can be derived.
            only: the crucible to look at; None: all.

        Raises:
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        findings = Findings(EXAMPLES)
        client, history = self._verification.client, VoteHistory(self._connect, queries())
        self._open.callback(history.close)
        look = CrucibleLook(client, self._session, history, undecided(self._settings))
        balance = VoteBalance(client, history, _NobodyListens())
        comparison = RedisComparison(client, self._session, look, balance, verifier=self._verification.verifier)
        comparison.compare(findings, heard, fix=fix, only=None if only is None else (only,))
        found = findings.all()
        if mended := {one.kind: one.mended for one in found if one.mended}:
            repair.noted(self._session, REDIS, mended, self._made_by)
        return found

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


class _NobodyListens:
    """Whoever counts once hears of it as an answer."""

    def unbalanced(self, votes: Mapping[int, int]) -> None:
        """Hear of a look, and do nothing."""
