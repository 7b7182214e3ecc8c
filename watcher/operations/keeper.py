"""The keeper: sees to it that what Redis shows of a crucible is what the other stores say, before votes build on it.

Redis may come back empty, with an older copy of its files, or as a replica that lagged. Each crucible's state names the
Redis process in which it was last compared (its fence); the vote's script refuses in any other. The keeper compares:

- the numbers of its votes: not below what ClickHouse has seen. Below, or absent: it is rebuilt;
- its rows: what PostgreSQL says, where the change stream has not said anything newer;
- then votes are numbered in a new epoch, so that no number is given out twice, whatever was lost.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

import structlog

from watcher.model.effects import CrucibleGone
from watcher.model.errors import TemporaryError
from watcher.model.row_state import FINISHED, mark, state_fields
from watcher.operations.rebuild import (
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
from watcher.sinks.clickhouse_votes import VoteTables
from watcher.sinks.vote_history import LastVote, Span, VoteHistory
from watcher.state import keys
from watcher.state.client import Client, away_is_temporary, node_identities
from watcher.state.keeping import Keeping, Seen, fence, keeping
from watcher.stores import history as histories
from watcher.stores.site_contests import crucible as site_crucible
from watcher.stores.site_contests import unfinished_of
from watcher.stores.store import Store
from watcher.stores.vote_epoch import last_epoch, raise_epoch

log = structlog.get_logger(__name__)

DRAIN_DEADLINE: Final = 60.0
"""Seconds for the votes of one crucible to reach ClickHouse before it is rebuilt."""
EXPIRING: Final = 89 * 24 * 3600
"""Seconds after which votes may be missing in ClickHouse: a day less than their TTL, for clocks and time zones."""
SETTLED: Final = 1.0
"""Seconds between two looks at ClickHouse's last vote that have to agree, where Redis has lost votes: a drain that read
them before the loss may be writing them yet. Shorter: it may be missed; longer: votes are refused for longer."""


class Verdict(StrEnum):
    """What a comparison came to. Labels a counter."""

    SAME = "same"
    """This process was compared before."""
    VERIFIED = "verified"
    """Redis has every vote that ClickHouse has; votes are accepted."""
    REBUILT = "rebuilt"
    """It was behind or absent; votes are accepted."""
    BUSY = "busy"
    """Somebody else is comparing it."""
    FINISHED = "finished"
    """It takes no more votes, and is answered from PostgreSQL."""
    UNKNOWN = "unknown"
    """PostgreSQL has no such crucible."""


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


def in_silence(step: str, done: int, total: int | None) -> None:
    """Progress that nobody watches."""


class Keeper:
    """Compares and rebuilds crucibles. Threads and processes may share the work: each has one keeper at a time.

    Args:
        client: Redis.
        open_store: connects to PostgreSQL.
        lend: lends what else a comparison needs.
        told: told of each verdict, with the crucible's id.
        settled: see ``SETTLED``.
    """

    def __init__(
        self,
        client: Client,
        open_store: Callable[[], AbstractContextManager[Store]],
        lend: Callable[[], AbstractContextManager[Workbench]],
        told: Callable[[int, str], None],
        settled: float = SETTLED,
    ) -> None:
        self._client, self._open_store, self._lend, self._told = client, open_store, lend, told
        self._settled = settled
        self._doubtful: dict[int, str] = {}
        self._at_work: set[Keeping] = set()

    def verify(self, crucible_id: int) -> Verdict:
        """See to it that votes can be cast, if they can.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused until somebody asks again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        identity, verified_in = fence(self._client, crucible_id)
        if identity == verified_in:
            return Verdict.SAME
        with self._keeping(crucible_id) as kept:
            verdict = Verdict.BUSY if kept is None else self._compare(kept, identity)
        self._told(crucible_id, verdict)
        return verdict

    def identity(self, crucible_ids: Sequence[int]) -> str:
        """The identity of the Redis that holds these crucibles; of a cluster, of all its processes that do.

        Raises:
            TemporaryError: Redis is away.
        """
        with away_is_temporary():
            return " ".join(sorted(set(node_identities(self._client, [keys.elo(one) for one in crucible_ids]))))

    def unfinished(self, crucible_ids: Sequence[int]) -> set[int]:
        """Those of the crucibles that may take votes.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        with self._open_store() as store:
            return unfinished_of(store, crucible_ids)

    def rebuild(
        self, crucible_id: int, *, replayed: bool = False, progress: Progress = in_silence
    ) -> Rebuilt | Verdict:
        """Rebuild it whatever it is like. Votes are answered with "again, later" meanwhile.

        Args:
            crucible_id: which.
            replayed: cast all votes again, and compare the result with the view that the ratings come from.
            progress: told how far it is.

        Returns:
            What was done, or why nothing was.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused until this, or ``verify``, is called again.
            ReplayDiffersError: the replay gives other ratings, or votes are missing; what Redis shows stays, unless it
                was absent or half rebuilt, and votes stay refused until ``verify`` is called.
        """
        identity, _ = fence(self._client, crucible_id)
        with self._keeping(crucible_id) as kept:
            if kept is None:
                return Verdict.BUSY
            with self._open_store() as store:
                if verdict := self._ended(kept, store, identity):
                    return verdict
                with self._lend() as bench:
                    bench.history.last_vote(crucible_id)  # a healthy crucible stays open while ClickHouse is away
                return self._rebuild(_Work(kept, store, identity, progress), kept.close(), replayed=replayed)

    def let_go(self) -> None:
        """At the process' end: whoever comes next need not wait until what is at work here is given up for dead."""
        with suppress(TemporaryError):  # then its time runs out
            for kept in tuple(self._at_work):
                kept.leave()

    @contextmanager
    def _keeping(self, crucible_id: int) -> Iterator[Keeping | None]:
        with keeping(self._client, crucible_id, self._doubtful) as kept:
            if kept is None:
                yield None
                return
            self._at_work.add(kept)
            try:
                yield kept
            finally:
                self._at_work.discard(kept)

    def _compare(self, kept: Keeping, identity: str) -> Verdict:
        with self._open_store() as store:
            if verdict := self._ended(kept, store, identity):
                return verdict
            seen = kept.close()
            work = _Work(kept, store, identity, in_silence)
            with self._lend() as bench:
                last = bench.history.last_vote(kept.crucible_id)
            if _lost(seen, last):
                self._rebuild(work, seen, replayed=False)
                return Verdict.REBUILT
            rows = work.rows()
            show_rows(kept, rows, in_silence)
            work.open(rows, seen, last, before=seen.before + seen.seq)
            return Verdict.VERIFIED

    def _ended(self, kept: Keeping, store: Store, identity: str) -> Verdict | None:
        """What to say of a crucible that takes no votes, once Redis does not show it as one that does.

        None if there is work: it takes votes, or it is finished and Redis holds it, maybe from before its end, so that
        its row and its votes have to be compared like those of any other.
        """
        row = site_crucible(store, kept.crucible_id)
        if row is not None and (row.status not in FINISHED or kept.held()):
            return None
        if row is None and kept.held():
            seen = kept.close()
            epoch, at = raise_epoch(store, kept.crucible_id, seen.epoch), mark(_history(store), 0)
            kept.open(epoch, identity, seen, at, state_fields(CrucibleGone(kept.crucible_id)), before=0)
        return Verdict.UNKNOWN if row is None else Verdict.FINISHED

    def _rebuild(self, work: "_Work", seen: Seen, *, replayed: bool) -> Rebuilt:
        begun = time.monotonic()
        crucible_id = work.kept.crucible_id
        with self._lend() as bench:
            with work.kept.patiently():
                bench.drain.drain_crucible(crucible_id, DRAIN_DEADLINE)
            work.kept.renew()
            last = bench.history.last_vote(crucible_id)
            moving = _lost(seen, last) and last_epoch(work.store, crucible_id) > 0
            with ThreadPoolExecutor(1, "calm") as thread:
                while True:
                    calm = thread.submit(self._calm, crucible_id, last) if moving else _at_once(True)
                    try:
                        rows, done = self._write(work, bench, seen, last, calm, replayed=replayed)
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
        self, work: "_Work", bench: Workbench, seen: Seen, last: LastVote, calm: Future[bool], *, replayed: bool
    ) -> tuple[Rows, Rebuilt]:
        """Write down what ClickHouse and PostgreSQL say now, and prove it if asked to; votes stay refused.

        It does not wait until it is known whether somebody writes votes meanwhile (``calm``). If so, do it again.
        """
        kept, crucible_id = work.kept, work.kept.crucible_id
        spans = bench.history.spans(crucible_id, CHUNK)
        there = sum(span.votes for span in spans)
        _believable(crucible_id, last, spans, strictly=replayed)
        proving = partial(self._prove, kept, spans, work.progress) if replayed and there == last.votes else int
        with ThreadPoolExecutor(2, "rebuild") as threads:  # beside the rest, which mostly waits for its neighbours
            proof, events = threads.submit(proving), threads.submit(self._complete, crucible_id, spans, calm)
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

    def _complete(self, crucible_id: int, spans: list[Span], calm: Future[bool]) -> None:
        """Write the metric events that are missing, once nobody else is about to write them."""
        if calm.result():
            with self._lend() as bench:
                complete_events(crucible_id, spans, bench.history, bench.tables.events)

    def _prove(self, kept: Keeping, spans: list[Span], progress: Progress) -> int:
        """Cast all votes again, and compare what comes of it with the view; returns how many there were."""
        crucible_id = kept.crucible_id
        with self._lend() as bench:
            done = replay_votes(crucible_id, bench.history, spans, progress, kept.renew)
            each, shown = bench.history.votes_each(crucible_id), bench.history.ratings(crucible_id, 0, LAST_ID)
            compare_replay(crucible_id, done, each, shown)
        return done.cast

    def _calm(self, crucible_id: int, last: LastVote) -> bool:
        """Whether the last vote is the same some time later: nobody writes any more."""
        time.sleep(self._settled)
        with self._lend() as bench:
            return bench.history.last_vote(crucible_id) == last


def _at_once(answer: bool) -> Future[bool]:
    """An answer that nobody waits for."""
    known: Future[bool] = Future()
    known.set_result(answer)
    return known


def _lost(seen: Seen, last: LastVote) -> bool:
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


def _history(store: Store) -> int:
    """Number of PostgreSQL's current history."""
    known = histories.accepted(store)
    return known[-1].number if known else histories.FIRST


@dataclass(frozen=True, slots=True)
class _Work:
    """One crucible at work."""

    kept: Keeping
    store: Store
    identity: str
    progress: Progress

    def rows(self) -> Rows:
        """The crucible's row as it is now that it is closed, and where the others come from."""
        row = site_crucible(self.store, self.kept.crucible_id)
        if row is None:
            raise TemporaryError(f"crucible {self.kept.crucible_id} was deleted while it was compared")
        return Rows(self.store, _history(self.store), row)

    def open(self, rows: Rows, seen: Seen, last: LastVote, *, before: int) -> int:
        """Accept votes after so many before, in an epoch that nobody has numbered votes in; returns it."""
        used = max(last.epoch, seen.epoch if seen.seq else 0)
        epoch = raise_epoch(self.store, self.kept.crucible_id, used)
        fields, at = state_fields(rows.crucible), mark(rows.history, 0)
        self.kept.open(epoch, self.identity, seen, at, fields, before=before)
        return epoch
