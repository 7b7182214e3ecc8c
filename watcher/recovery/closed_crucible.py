"""A crucible that is closed to votes until what Redis shows of it is right, with what it takes to open it again."""

from dataclasses import dataclass
from typing import Self

from watcher.clickhouse.vote_history import LastVote
from watcher.model.errors import TemporaryError
from watcher.postgres.own import history as histories
from watcher.postgres.own.frozen_place import frozen_place
from watcher.postgres.own.horizon import Horizon
from watcher.postgres.own.vote_epoch import raise_epoch
from watcher.postgres.session import Session
from watcher.postgres.site.contests import crucible as site_crucible
from watcher.recovery.reached_marks import ReachedMarks
from watcher.recovery.rows import SiteRows, take_away
from watcher.redis import keys
from watcher.redis.freeze import frozen_text
from watcher.redis.locked_crucible import ClosedState, LockedCrucible


def current_history(session: Session) -> int:
    """Return the number of PostgreSQL's current history."""
    known = histories.accepted(session)
    return known[-1].number if known else histories.FIRST_HISTORY


class DeletedMeanwhileError(TemporaryError):
    """Raised when a crucible went while it was compared: who looks once more finds that it is not there."""


@dataclass(frozen=True, slots=True)
class ClosedCrucible:
    """A locked crucible that takes no votes."""

    locked: LockedCrucible
    session: Session
    """PostgreSQL, where its rows are."""
    identity: str
    """Of the Redis process that holds it."""
    state: ClosedState
    """What Redis held of it when it was closed."""
    undecided: bool | None = True
    """Whether an entry takes part about which nothing was decided; None: that is waited for."""

    @classmethod
    def close(
        cls,
        locked: LockedCrucible,
        session: Session,
        identity: str,
        horizon: Horizon,
        undecided: bool | None = True,
    ) -> Self:
        """Refuse votes from now on, and return the crucible that is closed.

        Args:
            locked: the crucible.
            session: PostgreSQL, where its rows are.
            identity: of the Redis process that holds it.
            horizon: as PostgreSQL has told it just now. What the stream says from before it is no news to who shows the
                rows as they are from now on; without it, a row that is gone would come back with its late creation.
            undecided: whether an entry takes part about which nothing was decided; None: that is waited for.

        Raises:
            TemporaryError: a neighbour is away, or the lock is lost.
        """
        mark = keys.mark(current_history(session), horizon.lsn)
        state = locked.close(mark if horizon.certain else "", "" if horizon.certain else mark)
        return cls(locked, session, identity, state, undecided)

    @property
    def id(self) -> int:
        """Return the id of the crucible that is closed."""
        return self.locked.crucible_id

    def lacks_votes(self, last: LastVote) -> bool:
        """Return whether Redis did not hold the crucible, or lacks votes up to this last one."""
        return not self.state.present or (self.state.epoch, self.state.seq) < (last.epoch, last.seq)

    def rows(self) -> SiteRows:
        """Return the crucible's row as it is now that it is closed, and where the others come from.

        Of one that PostgreSQL has no more, Redis shows no entry from then on.

        Raises:
            DeletedMeanwhileError: PostgreSQL has the crucible no more.
            TemporaryError: PostgreSQL is away.
        """
        row = site_crucible(self.session, self.id)
        if row is None:
            # From before the horizon, their deletions are no news.
            take_away(self.locked, self.locked.known_ids(), ReachedMarks(self.session, current_history(self.session)))
            raise DeletedMeanwhileError(f"crucible {self.id} was deleted while it was compared")
        return SiteRows(self.session, ReachedMarks(self.session, current_history(self.session)), row, self.undecided)

    def open(self, rows: SiteRows, last: LastVote, *, votes_before: int, refreeze: bool = False) -> int:
        """Accept votes again, in an epoch that nobody has numbered votes in; none if its end was acted upon meanwhile.

        Args:
            rows: the crucible's row that Redis is to show.
            last: the last vote that ClickHouse has.
            votes_before: votes that were numbered in earlier epochs.
            refreeze: one that is frozen is from now on frozen behind the votes that ClickHouse has, whichever vote was
                the last when it was frozen.

        Returns:
            The epoch.

        Raises:
            TemporaryError: a neighbour is away, or the lock is lost; votes stay refused.
        """
        used = max(last.epoch, self.state.epoch if self.state.seq else 0)
        epoch = raise_epoch(self.session, self.id, used)
        fields, mark = rows.crucible.fields(), rows.marks.kept({0: self.state.mark})[0]
        self.locked.open(
            epoch,
            self.identity,
            self.state,
            mark,
            fields,
            votes_before=votes_before,
            frozen=self._frozen(epoch, anew=refreeze),
        )
        return epoch

    def _frozen(self, epoch: int, *, anew: bool) -> str:
        """Return the freeze to be shown; its place begins the epoch where nobody has written it down yet."""
        place = frozen_place(self.session, self.id)
        if place is None:
            return ""
        if anew:
            return f"={frozen_text(epoch, 0)}"
        return frozen_text(epoch if place.epoch is None else place.epoch, place.seq or 0)
