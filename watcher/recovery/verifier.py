"""The verifier: sees to it that what Redis shows of a crucible is what the other stores say, before votes build on it.

Redis may come back empty, with an older copy of its files, or as a replica that lagged. Each crucible's state names the
Redis process in which it was last compared (its fence); the vote's script refuses in any other. The verifier compares:

- the numbers of its votes: not below what ClickHouse has seen. Below, or absent: it is rebuilt;
- its rows: what PostgreSQL says, where the change stream has not said anything newer;
- then votes are numbered in a new epoch, so that no number is given out twice, whatever was lost.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import StrEnum

from watcher.model.effects import CrucibleGone
from watcher.model.errors import TemporaryError
from watcher.model.row_state import FINISHED, state_fields
from watcher.postgres.own.vote_epoch import raise_epoch
from watcher.postgres.session import Session
from watcher.postgres.site.contests import crucible as site_crucible
from watcher.postgres.site.contests import unfinished_of
from watcher.recovery.rebuild import Progress, Rebuilt, show_rows
from watcher.recovery.rebuilding import Rebuilding, Work, Workbench, current_history, lost
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, node_identities
from watcher.redis.locked_crucible import LockedCrucible, fence, lock_crucible


class Comparison(StrEnum):
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


def in_silence(step: str, done: int, total: int | None) -> None:
    """Progress that nobody watches."""


class Verifier:
    """Compares and rebuilds crucibles. Threads and processes may share the work: each has one verifier at a time.

    Args:
        client: Redis.
        open_session: connects to PostgreSQL.
        lend: lends what else a comparison needs.
        told: told of each comparison, with the crucible's id.
    """

    def __init__(
        self,
        client: Client,
        open_session: Callable[[], AbstractContextManager[Session]],
        lend: Callable[[], AbstractContextManager[Workbench]],
        told: Callable[[int, str], None],
    ) -> None:
        self._client, self._open_session, self._lend, self._told = client, open_session, lend, told
        self._doubtful: dict[int, str] = {}
        self._at_work: set[LockedCrucible] = set()

    def verify(self, crucible_id: int) -> Comparison:
        """See to it that votes can be cast, if they can.

        Raises:
            TemporaryError: a neighbour is away; votes stay refused until somebody asks again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        identity, verified_in = fence(self._client, crucible_id)
        if identity == verified_in:
            return Comparison.SAME
        with self._locked(crucible_id) as kept:
            comparison = Comparison.BUSY if kept is None else self._compare(kept, identity)
        self._told(crucible_id, comparison)
        return comparison

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
        with self._open_session() as session:
            return unfinished_of(session, crucible_ids)

    def rebuild(
        self, crucible_id: int, *, replayed: bool = False, progress: Progress = in_silence
    ) -> Rebuilt | Comparison:
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
        with self._locked(crucible_id) as kept:
            if kept is None:
                return Comparison.BUSY
            with self._open_session() as session:
                if comparison := self._ended(kept, session, identity):
                    return comparison
                with self._lend() as bench:
                    bench.history.last_vote(crucible_id)  # a healthy crucible stays open while ClickHouse is away
                return Rebuilding(Work(kept, session, identity, progress), self._lend).run(
                    kept.close(), replayed=replayed
                )

    def let_go(self) -> None:
        """At the process' end: whoever comes next need not wait until what is at work here is given up for dead."""
        with suppress(TemporaryError):  # then its time runs out
            for kept in tuple(self._at_work):
                kept.leave()

    @contextmanager
    def _locked(self, crucible_id: int) -> Iterator[LockedCrucible | None]:
        with lock_crucible(self._client, crucible_id, self._doubtful) as kept:
            if kept is None:
                yield None
                return
            self._at_work.add(kept)
            try:
                yield kept
            finally:
                self._at_work.discard(kept)

    def _compare(self, kept: LockedCrucible, identity: str) -> Comparison:
        with self._open_session() as session:
            if comparison := self._ended(kept, session, identity):
                return comparison
            seen = kept.close()
            work = Work(kept, session, identity, in_silence)
            with self._lend() as bench:
                last = bench.history.last_vote(kept.crucible_id)
            if lost(seen, last):
                Rebuilding(work, self._lend).run(seen, replayed=False)
                return Comparison.REBUILT
            rows = work.rows()
            show_rows(kept, rows, in_silence)
            work.open(rows, seen, last, before=seen.before + seen.seq)
            return Comparison.VERIFIED

    def _ended(self, kept: LockedCrucible, session: Session, identity: str) -> Comparison | None:
        """What to say of a crucible that takes no votes, once Redis does not show it as one that does.

        None if there is work: it takes votes, or it is finished and Redis holds it, maybe from before its end, so that
        its row and its votes have to be compared like those of any other.
        """
        row = site_crucible(session, kept.crucible_id)
        if row is not None and (row.status not in FINISHED or kept.held()):
            return None
        if row is None and kept.held():
            seen = kept.close()
            epoch, at = raise_epoch(session, kept.crucible_id, seen.epoch), keys.mark(current_history(session), 0)
            kept.open(epoch, identity, seen, at, state_fields(CrucibleGone(kept.crucible_id)), before=0)
        return Comparison.UNKNOWN if row is None else Comparison.FINISHED
