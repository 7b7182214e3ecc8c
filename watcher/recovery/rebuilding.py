"""One crucible rebuilt: what ClickHouse and PostgreSQL say of it is written into Redis while votes are refused."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

import structlog

from watcher.clickhouse.vote_history import LastVote, Span, VoteHistory
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.errors import TemporaryError
from watcher.model.row_state import state_fields
from watcher.postgres.own import history as histories
from watcher.postgres.own.vote_epoch import last_epoch, raise_epoch
from watcher.postgres.session import Session
from watcher.postgres.site.contests import crucible as site_crucible
from watcher.recovery.rebuild import (
    CHUNK,
    LAST_ID,
    Progress,
    Rebuilt,
    ReplayDiffersError,
    Rows,
    compare_replay,
    complete_events,
    gaps,
    replay_votes,
    show_rows,
    write_judged,
)
from watcher.redis import keys
from watcher.redis.locked_crucible import LockedCrucible, Seen

log = structlog.get_logger(__name__)

DRAIN_DEADLINE: Final = 60.0
"""Seconds for the votes of one crucible to reach ClickHouse before it is rebuilt."""
EXPIRING: Final = 89 * 24 * 3600
"""Seconds after which votes may be missing in ClickHouse: a day less than their TTL, for clocks and time zones."""
SETTLED: Final = 1.0
"""Seconds between two looks at ClickHouse's last vote that have to agree, where Redis has lost votes: a drain that read
them before the loss may be writing them yet. Shorter: it may be missed; longer: votes are refused for longer."""


class Drain(Protocol):
    """Takes a crucible's votes to ClickHouse."""

    def drain_crucible(self, crucible_id: int, deadline: float) -> None:
        """Return when its log is empty."""
        ...


class Workbench(Protocol):
    """What one comparison works with; not shared between threads."""

    @property
    def history(self) -> VoteHistory:
        """Votes as ClickHouse remembers them."""
        ...

    @property
    def drain(self) -> Drain:
        """Brings more of them there."""
        ...

    @property
    def tables(self) -> VoteTables:
        """Where they go."""
        ...


def current_history(session: Session) -> int:
    """Number of PostgreSQL's current history."""
    known = histories.accepted(session)
    return known[-1].number if known else histories.FIRST


@dataclass(frozen=True, slots=True)
class Work:
    """One crucible at work."""

    kept: LockedCrucible
    session: Session
    identity: str
    progress: Progress

    def rows(self) -> Rows:
        """The crucible's row as it is now that it is closed, and where the others come from."""
        row = site_crucible(self.session, self.kept.crucible_id)
        if row is None:
            raise TemporaryError(f"crucible {self.kept.crucible_id} was deleted while it was compared")
        return Rows(self.session, current_history(self.session), row)

    def open(self, rows: Rows, seen: Seen, last: LastVote, *, before: int) -> int:
        """Accept votes after so many before, in an epoch that nobody has numbered votes in; returns it."""
        used = max(last.epoch, seen.epoch if seen.seq else 0)
        epoch = raise_epoch(self.session, self.kept.crucible_id, used)
        fields, at = state_fields(rows.crucible), keys.mark(rows.history, 0)
        self.kept.open(epoch, self.identity, seen, at, fields, before=before)
        return epoch


class Rebuilding:
    """The rebuild of one crucible.

    Args:
        work: the crucible.
        lend: lends what else it needs.
    """

    def __init__(self, work: Work, lend: Callable[[], AbstractContextManager[Workbench]]) -> None:
        self._work, self._lend = work, lend
        self._crucible_id = work.kept.crucible_id

    def run(self, seen: Seen, *, replayed: bool) -> Rebuilt:
        """Rebuild it, and accept votes.

        Args:
            seen: what Redis showed when it was closed.
            replayed: cast all votes again, and compare the result with the view that the ratings come from.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused.
            ReplayDiffersError: the replay gives other ratings, or votes are missing.
        """
        begun = time.monotonic()
        work, crucible_id = self._work, self._crucible_id
        with self._lend() as bench:
            with work.kept.patiently():
                bench.drain.drain_crucible(crucible_id, DRAIN_DEADLINE)
            work.kept.renew()
            last = bench.history.last_vote(crucible_id)
            moving = lost(seen, last) and last_epoch(work.session, crucible_id) > 0
            with ThreadPoolExecutor(1, "calm") as thread:
                while True:
                    calm = thread.submit(self._calm, last) if moving else _at_once(True)
                    try:
                        rows, done = self._write(bench, seen, last, calm, replayed=replayed)
                    except ReplayDiffersError:
                        if calm.result():
                            raise  # else what was read of the votes may have been half of them
                    else:
                        if calm.result():
                            break
                    last = bench.history.last_vote(crucible_id)
            epoch = work.open(rows, seen, last, before=last.votes)
        result = replace(done, epoch=epoch, seconds=round(time.monotonic() - begun, 3))
        log.info(
            "crucible.rebuilt", crucible=crucible_id, entries=result.entries, votes=result.votes, pairs=result.pairs,
            epoch=epoch, forgotten=result.forgotten, seconds=result.seconds,
        )  # fmt: skip
        return result

    def _write(
        self, bench: Workbench, seen: Seen, last: LastVote, calm: Future[bool], *, replayed: bool
    ) -> tuple[Rows, Rebuilt]:
        """Write down what ClickHouse and PostgreSQL say now, and prove it if asked to; votes stay refused.

        It does not wait until it is known whether somebody writes votes meanwhile (``calm``). If so, do it again.
        """
        work, kept, crucible_id = self._work, self._work.kept, self._crucible_id
        spans = bench.history.spans(crucible_id, CHUNK)
        there = sum(span.votes for span in spans)
        _believable(crucible_id, last, spans, strictly=replayed)
        proving = partial(self._prove, spans) if replayed and there == last.votes else int
        with ThreadPoolExecutor(2, "rebuild") as threads:  # beside the rest, which mostly waits for its neighbours
            proof, events = threads.submit(proving), threads.submit(self._complete, spans, calm)
            if seen.present:
                proof.result()  # Redis may be the one that is right: nothing is taken away before this is known
            kept.clear()
            rows = work.rows()
            entries = show_rows(
                kept,
                rows,
                work.progress,
                lambda after, until: bench.history.ratings(crucible_id, after, until),
            )
            pairs = write_judged(kept, bench.history, there, work.progress)
            with kept.patiently():
                cast = proof.result()
                events.result()
        forgotten = last.votes - there
        return rows, Rebuilt(crucible_id, entries, last.votes, pairs, replayed=cast, forgotten=forgotten)

    def _complete(self, spans: list[Span], calm: Future[bool]) -> None:
        """Write the metric events that are missing, once nobody else is about to write them."""
        if calm.result():
            with self._lend() as bench:
                complete_events(self._crucible_id, spans, bench.history, bench.tables.events)

    def _prove(self, spans: list[Span]) -> int:
        """Cast all votes again, and compare what comes of it with the view; returns how many there were."""
        work, crucible_id = self._work, self._crucible_id
        with self._lend() as bench:
            done = replay_votes(crucible_id, bench.history, spans, work.progress, work.kept.renew)
            each, shown = bench.history.votes_each(crucible_id), bench.history.ratings(crucible_id, 0, LAST_ID)
            compare_replay(crucible_id, done, each, shown)
        return done.cast

    def _calm(self, last: LastVote) -> bool:
        """Whether the last vote is the same some time later: nobody writes any more."""
        time.sleep(SETTLED)
        with self._lend() as bench:
            return bench.history.last_vote(self._crucible_id) == last


def _at_once(answer: bool) -> Future[bool]:
    """An answer that nobody waits for."""
    known: Future[bool] = Future()
    known.set_result(answer)
    return known


def lost(seen: Seen, last: LastVote) -> bool:
    """Whether Redis does not hold the crucible, or lacks votes that it had."""
    return not seen.present or (seen.epoch, seen.seq) < (last.epoch, last.seq)


def _believable(crucible_id: int, last: LastVote, spans: list[Span], *, strictly: bool) -> None:
    """The view of the ratings has at least the votes that are there, and those that are not there are past their TTL.

    Raises:
        ReplayDiffersError: the view lacks votes; or, ``strictly``, votes are gone before their time.
    """
    there = sum(span.votes for span in spans)
    if there > last.votes:
        raise ReplayDiffersError(
            f"crucible {crucible_id}: crucible_entry_rating has {there} numbered votes, the view entry_rating only "
            f"{last.votes}: its ratings are not those of all votes; run `crucible migrate status` and rebuild the view"
        )
    missing = gaps(spans, int(time.time()) - EXPIRING)
    if missing:
        said = ", ".join(f"{epoch}-{seq}" for epoch, seq in missing[:3])
        if strictly:
            raise ReplayDiffersError(
                f"crucible {crucible_id}: crucible_entry_rating lacks votes that are not past their 90 days, after "
                f"{said}; ratings have them, but nobody can cast them again. Was a part of it dropped?"
            )
        log.error("crucible.votes_missing", crucible=crucible_id, after=said)
