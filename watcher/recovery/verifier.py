"""The verifier: sees to it that what Redis shows of a crucible is what the other stores say, before votes build on it.

Redis may come back empty, with an older copy of its files, or as a replica that lagged. Each crucible's state names the
Redis process in which it was last compared (its fence); the vote's script refuses in any other. The verifier compares:

- the numbers of its votes: not below what ClickHouse has seen. Below, or absent: it is rebuilt;
- as many votes as there are numbers. More: a part of a vote came back that was cut off in Redis' file; it is rebuilt;
- its rows: what PostgreSQL says, where the change stream has not said anything newer. What the stream says afterwards
  from before the comparison is no news;
- then votes are numbered in a new epoch, so that no number is given out twice, whatever was lost.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import StrEnum
from typing import TypeVar

import structlog

from watcher.clickhouse.vote_history import VoteHistory
from watcher.model.effects import CrucibleGone
from watcher.model.errors import StopError, TemporaryError
from watcher.model.row_state import FINISHED
from watcher.model.words import counted
from watcher.postgres.own.horizon import Horizons
from watcher.postgres.own.vote_epoch import raise_epoch
from watcher.postgres.session import Session
from watcher.postgres.site.contests import crucible as site_crucible
from watcher.postgres.site.contests import present_of, unfinished_of
from watcher.recovery.closed_crucible import ClosedCrucible, DeletedMeanwhileError, current_history
from watcher.recovery.comparison_pool import ComparisonConnections
from watcher.recovery.kept_votes import KeptVotes
from watcher.recovery.progress_listener import ProgressListener, in_silence
from watcher.recovery.reached_marks import ReachedMarks
from watcher.recovery.rebuild import Rebuild, Rebuilt
from watcher.recovery.rows import show_rows, take_away
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, node_identities
from watcher.redis.locked_crucible import LockedCrucible, fence, lock_crucible
from watcher.votes.balance import NobodyListens, VoteBalance

log = structlog.get_logger(__name__)

T = TypeVar("T")


class VotesOnlyInRedisError(StopError):
    """Raised when a rebuild would lose votes that were answered as counted; nothing was changed."""


class Comparison(StrEnum):
    """What a comparison came to: the label of a counter."""

    SAME = "same"
    """This process was compared before."""
    VERIFIED = "verified"
    """Redis has every vote that ClickHouse has; votes are accepted."""
    REBUILT = "rebuilt"
    """It was behind, absent, or had a part of a vote that was cut off; votes are accepted."""
    BUSY = "busy"
    """Somebody else is comparing it."""
    FINISHED = "finished"
    """It takes no more votes, and is answered from PostgreSQL."""
    UNKNOWN = "unknown"
    """PostgreSQL has no such crucible."""


class Verifier:
    """Compares and rebuilds crucibles. Threads and processes may share the work: each has one verifier at a time.

    Args:
        client: Redis.
        open_session: connects to PostgreSQL.
        lend: lends connections to ClickHouse.
        observe: told of each comparison, with the crucible's id.
        undecided: whether an entry takes part about which nothing was decided; None: that is waited for.
    """

    def __init__(
        self,
        client: Client,
        open_session: Callable[[], AbstractContextManager[Session]],
        lend: Callable[[], AbstractContextManager[ComparisonConnections]],
        observe: Callable[[int, Comparison], None],
        undecided: bool | None = True,
    ) -> None:
        self._undecided, self._horizons = undecided, Horizons()
        self._client, self._open_session, self._lend, self._observe = client, open_session, lend, observe
        self._unanswered: dict[int, str] = {}
        self._at_work: set[LockedCrucible] = set()

    def verify(self, crucible_id: int) -> Comparison:
        """Make votes on a crucible possible, if they may be, and return what the comparison came to.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused until somebody asks again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        identity, verified_in = fence(self._client, crucible_id)
        return Comparison.SAME if identity == verified_in else self._locked_and_compared(crucible_id, identity)

    def compare(self, crucible_id: int) -> Comparison:
        """Compare a crucible row by row, even if it was compared in this process, and return what that came to.

        Votes are answered with "again, later" meanwhile.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused until this, or ``verify``, is called again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        identity, _ = fence(self._client, crucible_id)
        return self._locked_and_compared(crucible_id, identity)

    def identity(self, crucible_ids: Sequence[int]) -> str:
        """Return the identity of the Redis that holds these crucibles; of a cluster, of all its processes that do.

        Raises:
            TemporaryError: Redis is away.
        """
        with away_is_temporary():
            return " ".join(sorted(set(node_identities(self._client, [keys.elo(one) for one in crucible_ids]))))

    def unfinished(self, crucible_ids: Sequence[int]) -> set[int]:
        """Return those of the crucibles that may take votes.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        with self._open_session() as session:
            return unfinished_of(session, crucible_ids)

    def gone(self, crucible_ids: Sequence[int]) -> list[int]:
        """Return those of the crucibles that PostgreSQL does not have.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        with self._open_session() as session:
            there = present_of(session, crucible_ids)
        return [one for one in crucible_ids if one not in there]

    def rebuild(
        self,
        crucible_id: int,
        *,
        replayed: bool = False,
        giving_up: bool = False,
        progress: ProgressListener = in_silence,
    ) -> Rebuilt | Comparison:
        """Rebuild a crucible, whatever state it is in; votes are answered with "again, later" meanwhile.

        One that is frozen stays frozen, from now on behind the votes that ClickHouse has: whoever asks for this wants
        the result of those.

        Args:
            crucible_id: which.
            replayed: cast all votes again, and compare the result with the view that the ratings come from.
            giving_up: rebuild it also where Redis alone has votes that were counted; they count no more.
            progress: told how far it is.

        Returns:
            What was done, or why nothing was.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused until this, or ``verify``, is called again.
            ReplayDiffersError: the replay gives other ratings, or votes are missing; what Redis shows stays, unless it
                was absent or half rebuilt, and votes stay refused until ``verify`` is called.
            VotesOnlyInRedisError: ClickHouse lacks votes that Redis has counted; nothing is changed.
        """
        return _or_gone(lambda: self._rebuild(crucible_id, replayed=replayed, giving_up=giving_up, progress=progress))

    def _rebuild(
        self, crucible_id: int, *, replayed: bool, giving_up: bool, progress: ProgressListener
    ) -> Rebuilt | Comparison:
        identity, _ = fence(self._client, crucible_id)
        with self._lock(crucible_id) as locked:
            if locked is None:
                return Comparison.BUSY
            with self._open_session() as session:
                if comparison := self._ended(locked, session, identity):
                    return comparison
                with self._lend() as connections:
                    # A healthy one stays open while ClickHouse is away, and where it lacks votes.
                    self._refuse_to_lose(crucible_id, connections.history, giving_up=giving_up)
                closed = self._close(locked, session, identity)
                return Rebuild(closed, self._lend, progress, asked_for=True).run(replayed=replayed)

    def _refuse_to_lose(self, crucible_id: int, history: VoteHistory, *, giving_up: bool) -> None:
        found = VoteBalance(self._client, KeptVotes(history), NobodyListens()).differing([crucible_id])
        lost = -found.get(crucible_id, 0)
        if lost > 0 and not giving_up:
            raise VotesOnlyInRedisError(
                f"crucible {crucible_id}: ClickHouse lacks {counted(lost, 'vote')} that Redis has counted; "
                f"`crucible reconcile --crucible {crucible_id} --fix` brings back what Redis keeps for their judges, "
                f"`crucible rebuild {crucible_id} --give-up-votes` goes without"
            )

    def release(self) -> None:
        """Release the locks of all that is at work, at the process' end: whoever comes next need not wait for them."""
        with suppress(TemporaryError):  # then they expire
            for locked in tuple(self._at_work):
                locked.release()

    @contextmanager
    def _lock(self, crucible_id: int) -> Iterator[LockedCrucible | None]:
        with lock_crucible(self._client, crucible_id, self._unanswered) as locked:
            if locked is None:
                yield None
                return
            self._at_work.add(locked)
            try:
                yield locked
            finally:
                self._at_work.discard(locked)

    def _close(self, locked: LockedCrucible, session: Session, identity: str) -> ClosedCrucible:
        horizon = self._horizons.now(session)
        return ClosedCrucible.close(locked, session, identity, horizon, self._undecided)

    def _locked_and_compared(self, crucible_id: int, identity: str) -> Comparison:
        def compared() -> Comparison:
            with self._lock(crucible_id) as locked:
                return Comparison.BUSY if locked is None else self._compare(locked, identity)

        comparison = _or_gone(compared)
        self._observe(crucible_id, comparison)
        return comparison

    def _compare(self, locked: LockedCrucible, identity: str) -> Comparison:
        with self._open_session() as session:
            if comparison := self._ended(locked, session, identity):
                return comparison
            closed = self._close(locked, session, identity)
            with self._lend() as connections:
                last = connections.history.last_vote(closed.id)
            if not closed.state.adds_up:
                log.warning("crucible.cut_off_vote", crucible=closed.id, counted=closed.state.counted)
            if closed.lacks_votes(last) or not closed.state.adds_up:
                Rebuild(closed, self._lend, in_silence).run(replayed=False)
                return Comparison.REBUILT
            rows = closed.rows()
            show_rows(locked, rows, in_silence)
            closed.open(rows, last, votes_before=closed.state.votes_before + closed.state.seq)
            return Comparison.VERIFIED

    def _ended(self, locked: LockedCrucible, session: Session, identity: str) -> Comparison | None:
        """Return what to say of a crucible that takes no votes, once Redis does not show it as one that does.

        None if there is work: it takes votes, or it is finished and Redis holds it, maybe from before its end, so that
        its row and its votes have to be compared like those of any other.
        """
        row = site_crucible(session, locked.crucible_id)
        if row is not None and (row.status not in FINISHED or locked.exists()):
            return None
        if row is None and locked.exists():
            state = self._close(locked, session, identity).state
            marks = ReachedMarks(session, current_history(session))
            take_away(locked, locked.known_ids(), marks)  # a TRUNCATE names no rows, a stream that was lost none at all
            epoch = raise_epoch(session, locked.crucible_id, state.epoch)
            mark, fields = marks.kept({0: state.mark})[0], CrucibleGone(locked.crucible_id).fields()
            locked.open(epoch, identity, state, mark, fields, votes_before=0)
        return Comparison.UNKNOWN if row is None else Comparison.FINISHED


def _or_gone(look: Callable[[], T]) -> T:
    """Return what a look comes to; if the crucible is deleted meanwhile, what a second look comes to."""
    try:
        return look()
    except DeletedMeanwhileError:
        return look()
