"""Votes, views and Redis compared with what they come from, put together."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property, partial
from typing import Final, Self

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
from watcher.reconcile.command.resumption import CruciblesProgress, Resumption
from watcher.reconcile.difference_reports import DifferenceReport, DifferenceReports
from watcher.reconcile.redis.crucible import OF_ROWS, CrucibleLook, RedisKind
from watcher.reconcile.redis.crucibles import REDIS, RedisComparison, TableListener
from watcher.reconcile.views import ViewReport
from watcher.reconcile.votes.comparison import EVERY_CRUCIBLE, VoteComparison
from watcher.reconcile.votes.redis_votes import RedisVotes
from watcher.reconcile.votes.repairer import VoteRepairer
from watcher.redis.locked_crucible import lock_crucible
from watcher.redis.vote_log import VoteLog
from watcher.votes.balance import NobodyListens, VoteBalance

VOTES: Final = "votes"
"""What is compared, as progress is told."""
MAX_DOUBTFUL: Final = 10
"""Crucibles that a part looks at vote by vote, two seconds each. More: it takes longer; fewer: a round does."""


class CrucibleComparer:
    """Compares what is of crucibles. Redis is connected to when it is first needed.

    Args:
        settings: where the neighbours are.
        session: PostgreSQL, as the watcher's role.
        made_by: who mends, for the log.
        told: is told, in a line a time, what is going on.
        pause: waits for some seconds between two looks.
        verifying: opens Redis, and who compares it.
    """

    def __init__(
        self,
        settings: Settings,
        session: Session,
        made_by: str,
        told: Callable[[str], None],
        *,
        pause: Callable[[float], None] = time.sleep,
        verifying: Callable[[Settings], AbstractContextManager[Verification]] = verifying,
    ) -> None:
        self._settings, self._session, self._made_by, self._told = settings, session, made_by, told
        self._pause, self._verifying = pause, verifying
        self._connect, self._open = partial(connect_clickhouse, settings), ExitStack()
        self._reads = ClickHouseReads(self._connect, queries())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def votes(
        self, resumption: Resumption, heard: TableListener, *, fix: bool, only: int | None = None
    ) -> tuple[DifferenceReport, ...]:
        """Return what is wrong with votes and their events.

        Args:
            resumption: knows how far an earlier run was, and remembers how far this one is.
            heard: told how many crucibles of those that may be wrong are compared.
            fix: whether to put right what can be derived.
            only: the crucible to look at; None: all.

        Raises:
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        comparison, so_far = self._votes(), resumption.crucibles(VOTES)
        findings = DifferenceReports(EXAMPLES, so_far.found)
        look = self._votes_mended_by(comparison) if fix else comparison.look
        crucibles = [one for one in (comparison.doubtful() if only is None else [only]) if so_far.is_left(one)]
        for number, one in enumerate(crucibles, 1):
            look(one, findings)
            resumption.note_crucibles(VOTES, CruciblesProgress(one + 1, findings.all()))
            heard(VOTES, number, len(crucibles))
        return findings.all()

    def _votes_mended_by(self, comparison: VoteComparison) -> Callable[[int, DifferenceReports], None]:
        """Return what mends the votes of a crucible, once what earlier runs have decided is carried out."""
        repairer = self._vote_repairer(comparison)
        repairer.finish_open()
        return repairer.mend

    def _vote_repairer(self, comparison: VoteComparison) -> VoteRepairer:
        link = ClickHouseLink(self._connect)
        self._open.callback(link.close)
        return VoteRepairer(self._session, comparison, link, queries(), alone=self._alone, made_by=self._made_by)

    def some_votes(self, first: int, *, fix: bool = False) -> tuple[tuple[DifferenceReport, ...], int | None]:
        """Return what is wrong with votes of the next crucibles from an id on, and the id that follows, if one does.

        Args:
            first: the lowest id.
            fix: whether to put right the votes' events; votes that are there twice are left to the command.

        Raises:
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        comparison, findings = self._votes(), DifferenceReports(EXAMPLES)
        look = self._vote_repairer(comparison).mend_events if fix else comparison.look
        part = comparison.part(first)
        doubtful = comparison.doubtful(part)
        for one in doubtful[:MAX_DOUBTFUL]:
            look(one, findings)
        if len(doubtful) > MAX_DOUBTFUL:
            return findings.all(), doubtful[MAX_DOUBTFUL]
        return findings.all(), part.stop if part.stop < EVERY_CRUCIBLE.stop else None

    def views(self, resumption: Resumption, heard: TableListener, *, fix: bool) -> tuple[ViewReport, ...]:
        """Return the views that show something else than their tables.

        Args:
            resumption: knows how far an earlier run was, and remembers how far this one is.
            heard: told how many are compared.
            fix: whether to make them anew.

        Raises:
            TemporaryError: a neighbour is away.
            MigrationError: ClickHouse refuses, or a view stays different.
        """
        if fix:
            return mend_views(
                self._settings,
                self._session,
                self._told,
                self._made_by,
                resumption=resumption,
                heard=heard,
                pause=self._pause,
            )
        return compare_views(self._settings, self._told, resumption=resumption, heard=heard, pause=self._pause)

    def redis(
        self, resumption: Resumption, heard: TableListener, *, fix: bool, only: int | None = None
    ) -> tuple[DifferenceReport, ...]:
        """Return what Redis shows otherwise than the other stores say.

        Args:
            resumption: knows how far an earlier run was, and remembers how far this one is.
            heard: told how many crucibles are compared.
            fix: whether to have the verifier put right what can be derived.
            only: the crucible to look at; None: all.

        Raises:
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        so_far = resumption.crucibles(REDIS)
        findings = DifferenceReports(EXAMPLES, so_far.found)
        ids = [one for one in self._redis.known() if only in {None, one} and so_far.is_left(one)]

        def told(where: str, done: int, whole: int) -> None:
            resumption.note_crucibles(REDIS, CruciblesProgress(ids[done - 1] + 1, findings.all()))
            heard(where, done, whole)

        self._redis.compare_these(ids, findings, told, mends=frozenset(RedisKind) if fix else ())
        return self._logged(findings)

    def _logged(self, findings: DifferenceReports) -> tuple[DifferenceReport, ...]:
        """Return what was found in Redis; what of it was put right is a line of the log of repairs."""
        found = findings.all()
        if mended := {one.kind: one.mended for one in found if one.mended}:
            repair.noted(self._session, REDIS, mended, self._made_by)
        return found

    def some_redis(
        self, first: int, most: int, await_passed: Callable[[int], None], *, fix: bool = False
    ) -> tuple[tuple[DifferenceReport, ...], int | None]:
        """Return what Redis shows otherwise of the next crucibles from an id on, and the id that follows, if one does.

        What differs is told if it still does once the stream is past what was written until now.

        Args:
            first: the lowest id.
            most: crucibles.
            await_passed: returns when the stream is past a position.
            fix: whether to have the verifier put right then what follows from PostgreSQL's rows. Ratings and votes
                follow from views, which are perhaps to be made anew first, so they are left to the command.

        Raises:
            StreamStandsError: something differs, and the stream stands.
            TemporaryError: a neighbour is away.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        behind = [one for one in self._redis.known() if one >= first]
        some, follows = behind[:most], behind[most] if len(behind) > most else None
        findings = DifferenceReports(EXAMPLES)
        self._redis.compare_these(some, findings, _unheard, mends=())
        if findings.all():
            lsn, _ = repair.position(self._session)
            await_passed(lsn)
            findings = DifferenceReports(EXAMPLES)
            self._redis.compare_these(some, findings, _unheard, mends=OF_ROWS if fix else ())
        return self._logged(findings), follows

    def _votes(self) -> VoteComparison:
        client = self._verification.client
        elsewhere = RedisVotes(client, self._session, self._history, self._pause)
        return VoteComparison(self._reads, VoteLog(client).oldest, elsewhere, self._pause)

    @cached_property
    def _redis(self) -> RedisComparison:
        client = self._verification.client
        look = CrucibleLook(client, self._session, self._history, undecided(self._settings))
        balance = VoteBalance(client, self._history, NobodyListens())
        verifier = self._verification.verifier
        lacks = self._votes().lacks
        return RedisComparison(client, self._session, look, balance, lacks=lacks, verifier=verifier, pause=self._pause)

    @cached_property
    def _history(self) -> VoteHistory:
        history = VoteHistory(self._connect, queries())
        self._open.callback(history.close)
        return history

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
        return self._open.enter_context(self._verifying(self._settings))


def _unheard(_: str, done: int, whole: int) -> None:
    """Do nothing with how far it is."""
