"""What a settlement asks of the votes: the protocol, and its answers."""

from typing import Protocol

import msgspec

from watcher.model.final_ratings import FinalRatings


class Frozen(msgspec.Struct, frozen=True):
    """The place of the last vote that counts."""

    epoch: int
    seq: int
    """0: nobody has voted in this epoch."""


class RatingDifference(msgspec.Struct, frozen=True):
    """An entry of which Redis says something else than its votes do; None: one of the two does not know it."""

    entry_id: int
    rating: int | None
    """In Redis; so the number of votes."""
    votes: int | None
    replayed_rating: int | None
    """By casting all votes that ClickHouse has once more; so the number of votes."""
    replayed_votes: int | None


class Proven(msgspec.Struct, frozen=True):
    """Ratings that follow from the votes."""

    ratings: FinalRatings
    """Of the entries with a vote, also of those that are gone since; any other has the base rating and no vote."""
    votes: int
    """Number of votes."""
    digest: str
    """SHA-256 in hexadecimal; see :meth:`watcher.model.final_ratings.FinalRatings.digest`."""
    epoch: int
    seq: int
    """Place of the last vote."""


class Differs(msgspec.Struct, frozen=True):
    """Redis and the votes in ClickHouse do not say the same."""

    what: str
    """For people: what differs, and how much of it."""
    entries: tuple[RatingDifference, ...] = ()
    """The first few entries, in the order of their ids."""
    votes_lack: bool = False
    """Whether it is ClickHouse that has not all votes as they were cast, so that nothing of Redis' mends it."""


class Ballots(Protocol):
    """The votes of crucibles.

    Each call may raise ``TemporaryError`` while a neighbour is away; nothing is decided then.
    """

    def freeze(self, crucible_id: int) -> Frozen:
        """Refuse votes from now on, and return the place of the last one; called again, it returns the same place."""
        ...

    def drain(self, crucible_id: int, timeout: float) -> bool:
        """Bring every vote up to the frozen place to ClickHouse.

        Args:
            crucible_id: which is frozen.
            timeout: seconds to wait for it.

        Returns:
            Whether all of them are there.
        """
        ...

    def prove(self, crucible_id: int) -> Proven | Differs:
        """Compare Redis' ratings with what the votes in ClickHouse give; of a crucible that is frozen and drained."""
        ...

    def recompute(self, crucible_id: int) -> Proven:
        """Return what the votes in ClickHouse give, whatever Redis says, and whether it is there or not."""
        ...
