"""One crucible rebuilt: what ClickHouse and PostgreSQL say of it is written into Redis while votes are refused."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from watcher.clickhouse.vote_history import LastVote, Span
from watcher.postgres.own.vote_epoch import last_epoch
from watcher.recovery.closed_crucible import ClosedCrucible
from watcher.recovery.comparison_pool import ComparisonConnections
from watcher.recovery.judged import write_judged
from watcher.recovery.missing_events import complete_events
from watcher.recovery.progress_listener import ProgressListener
from watcher.recovery.replay import ReplayDiffersError, compare_replay, replay_votes
from watcher.recovery.rows import MAX_ENTRY_ID, SiteRows, show_rows
from watcher.recovery.vote_gaps import check_votes

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 60.0
"""Seconds for the votes of one crucible to reach ClickHouse before it is rebuilt."""
SETTLE_SECONDS: Final = 1.0
"""Time between two looks at ClickHouse's last vote that have to agree, where Redis has lost votes: a drain that read
them before the loss may be writing them yet. Shorter: it may be missed; longer: votes are refused for longer."""
SPAN_VOTES: Final = 250_000
"""Votes of one question to ClickHouse. Larger: more memory; smaller: more questions."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    crucible_id: int
    entries: int = 0
    votes: int = 0
    """Numbered votes that ClickHouse knows of."""
    pairs: int = 0
    """Judged pairs that were written."""
    replayed: int = 0
    """Votes that were cast again to prove the ratings; 0 without a replay."""
    forgotten: int = 0
    """Votes that are past their TTL in ClickHouse: ratings have them, but who judged which pair is gone."""
    epoch: int = 0
    seconds: float = 0.0


class Rebuild:
    """The rebuild of one crucible.

    Args:
        closed: the crucible.
        lend: lends connections to ClickHouse; several at a time.
        progress: told how far it is.
        asked_for: somebody wants what ClickHouse has, whatever was frozen; else Redis has lost it.
    """

    def __init__(
        self,
        closed: ClosedCrucible,
        lend: Callable[[], AbstractContextManager[ComparisonConnections]],
        progress: ProgressListener,
        *,
        asked_for: bool = False,
    ) -> None:
        self._asked_for = asked_for
        self._closed, self._lend, self._progress = closed, lend, progress
        self._locked, self._crucible_id = closed.locked, closed.id

    def run(self, *, replayed: bool) -> Rebuilt:
        """Rebuild the crucible, accept votes again, and return what was done.

        Args:
            replayed: cast all votes again, and compare the result with the view that the ratings come from.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused.
            ReplayDiffersError: the replay gives other ratings, or votes are missing.
        """
        begun = time.monotonic()
        with self._lend() as connections:
            with self._locked.renewed():
                connections.drain(self._crucible_id, DRAIN_SECONDS)
            self._locked.renew()
            last = connections.history.last_vote(self._crucible_id)
            moving = self._closed.lacks_votes(last) and last_epoch(self._closed.session, self._crucible_id) > 0
            with ThreadPoolExecutor(1, "calm") as thread:
                while True:
                    calm = thread.submit(self._calm, last) if moving else _at_once(True)
                    try:
                        rows, done = self._write(connections, last, calm, replayed=replayed)
                    except ReplayDiffersError:
                        if calm.result():
                            raise  # else what was read of the votes may have been half of them
                    else:
                        if calm.result():
                            break
                    last = connections.history.last_vote(self._crucible_id)
            epoch = self._closed.open(rows, last, votes_before=last.votes, refreeze=self._asked_for)
        result = replace(done, epoch=epoch, seconds=round(time.monotonic() - begun, 3))
        log.info(
            "crucible.rebuilt", crucible=self._crucible_id, entries=result.entries, votes=result.votes,
            pairs=result.pairs, epoch=epoch, forgotten=result.forgotten, seconds=result.seconds,
        )  # fmt: skip
        return result

    def _write(
        self, connections: ComparisonConnections, last: LastVote, calm: Future[bool], *, replayed: bool
    ) -> tuple[SiteRows, Rebuilt]:
        """Write down what ClickHouse and PostgreSQL say now, and prove it if asked to; votes stay refused.

        It does not wait until it is known whether somebody writes votes meanwhile (``calm``). If so, do it again.
        """
        locked, history, crucible_id = self._locked, connections.history, self._crucible_id
        spans = history.spans(crucible_id, SPAN_VOTES)
        there = sum(span.votes for span in spans)
        check_votes(crucible_id, last, spans, strictly=replayed)
        proving = partial(self._prove, spans) if replayed and there == last.votes else int
        with ThreadPoolExecutor(2, "rebuild") as threads:  # beside the rest, which mostly waits for its neighbours
            proof, events = threads.submit(proving), threads.submit(self._complete_events, spans, calm)
            if self._closed.state.present:
                proof.result()  # Redis may be the one that is right: nothing is taken away before this is known
            locked.clear(unlisted=not self._closed.state.adds_up)
            rows = self._closed.rows()
            entries = show_rows(locked, rows, self._progress, partial(history.ratings, crucible_id))
            pairs = write_judged(locked, history, there, self._progress)
            with locked.renewed():
                cast = proof.result()
                events.result()
        forgotten = last.votes - there
        return rows, Rebuilt(crucible_id, entries, last.votes, pairs, replayed=cast, forgotten=forgotten)

    def _complete_events(self, spans: list[Span], calm: Future[bool]) -> None:
        """Write the metric events that are missing, once nobody else is about to write them."""
        if calm.result():
            with self._lend() as connections:
                complete_events(self._crucible_id, spans, connections.history, connections.tables.events)

    def _prove(self, spans: list[Span]) -> int:
        """Cast all votes again, compare what comes of it with the view, and return how many there were."""
        crucible_id = self._crucible_id
        with self._lend() as connections:
            history = connections.history
            done = replay_votes(crucible_id, history, spans, self._progress, self._locked.renew)
            compare_replay(
                crucible_id, done, history.votes_each(crucible_id), history.ratings(crucible_id, 0, MAX_ENTRY_ID)
            )
        return done.cast

    def _calm(self, last: LastVote) -> bool:
        """Return whether the last vote is the same some time later: nobody writes any more."""
        time.sleep(SETTLE_SECONDS)
        with self._lend() as connections:
            return connections.history.last_vote(self._crucible_id) == last


def _at_once(answer: bool) -> Future[bool]:
    """Return a future that has its answer already."""
    known: Future[bool] = Future()
    known.set_result(answer)
    return known
