"""The votes of a crucible that ends: closed, drained, and its result worked out twice.

Redis has added the votes up one by one as they came. A replay of ClickHouse's votes must come to the same, for every
entry and to the point; else the ratings are not what the votes give, and nothing may be paid by them.

All of it may be done again at any time, by any process. What Redis has lost is brought back by the verifier before
anything is asked of it; while that is not done, nothing is said.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import structlog

from watcher.model import words
from watcher.model.errors import TemporaryError
from watcher.recovery.comparison_pool import ComparisonConnections
from watcher.recovery.recount import Recount, recount
from watcher.recovery.replay import ReplayDiffersError
from watcher.recovery.verifier import Comparison, Verifier
from watcher.redis.client import Client
from watcher.redis.freeze import freeze
from watcher.redis.locked_crucible import fence, lock_crucible
from watcher.redis.voted_entries import held_entries, moved_besides
from watcher.settlement.ports import Ballots, Differs, Frozen, Proven, RatingDifference
from watcher.votes.drain import DrainTimeoutError

log = structlog.get_logger(__name__)

MAX_TOLD: Final = 10
"""Entries that differ and are named. More: nobody reads them; fewer: a pattern is not seen."""
DRAIN_SECONDS: Final = 5.0
"""Time for votes that came back with Redis after the drain; mostly there are none. Longer: other endings wait for it;
shorter: where there are many, the proof is begun again and again."""


class StoredBallots(Ballots):
    """Votes in Redis and ClickHouse.

    Args:
        client: Redis.
        verifier: brings back what Redis has lost.
        lend: lends connections to ClickHouse.
    """

    def __init__(
        self,
        client: Client,
        verifier: Verifier,
        lend: Callable[[], AbstractContextManager[ComparisonConnections]],
    ) -> None:
        self._client, self._verifier, self._lend = client, verifier, lend
        self._unanswered: dict[int, str] = {}

    def freeze(self, crucible_id: int) -> Frozen:
        """Refuse votes from now on, whoever casts them, and return the place of the last one.

        Raises:
            TemporaryError: a neighbour is away, or the crucible is being compared or rebuilt; votes are refused then.
        """
        comparison = self._verifier.verify(crucible_id)
        place = freeze(self._client, crucible_id, fence(self._client, crucible_id)[0])
        if place is not None:
            return Frozen(*place)
        if comparison in {Comparison.FINISHED, Comparison.UNKNOWN}:  # and Redis does not hold it: nobody can vote
            with self._lend() as connections:
                last = connections.history.last_vote(crucible_id)
            return Frozen(last.epoch, last.seq)
        raise TemporaryError(f"crucible {crucible_id} is being compared or rebuilt; it takes no votes meanwhile")

    def drain(self, crucible_id: int, timeout: float) -> bool:
        """Bring every vote to ClickHouse, and return whether all are there after so many seconds at most.

        Votes are refused meanwhile: a freeze that Redis has lost is renewed first.

        Raises:
            TemporaryError: a neighbour is away.
        """
        self.freeze(crucible_id)
        try:
            with self._lend() as connections:
                connections.drain(crucible_id, timeout)
        except DrainTimeoutError as error:
            log.warning("settlement.draining", crucible=crucible_id, error=str(error))
            return False
        return True

    def prove(self, crucible_id: int) -> Proven | Differs:
        """Compare Redis' ratings with what the votes in ClickHouse give; of a crucible that is frozen and drained.

        Raises:
            TemporaryError: a neighbour is away, or somebody changes meanwhile what Redis holds; nothing is decided.
        """
        if not self.drain(crucible_id, DRAIN_SECONDS):
            raise TemporaryError(f"crucible {crucible_id}: its last votes are not in ClickHouse yet")
        place = self.freeze(crucible_id)
        try:
            with self._lend() as connections:
                counted = recount(crucible_id, connections.history)
        except ReplayDiffersError as error:
            return Differs(str(error), votes_lack=True)
        return _misplaced(crucible_id, place, counted) or self._compared(crucible_id, counted)

    def recompute(self, crucible_id: int) -> Proven:
        """Return what the votes in ClickHouse give, whatever Redis says, and whether it is there or not.

        Raises:
            TemporaryError: ClickHouse is away.
            ReplayDiffersError: votes are missing, past their 90 days, or were edited; the message says which.
        """
        with self._lend() as connections:
            return _proven(recount(crucible_id, connections.history))

    def _compared(self, crucible_id: int, counted: Recount) -> Proven | Differs:
        """Compare entry by entry while nobody else may write what votes have made; the lock is lost with Redis."""
        identity, verified = fence(self._client, crucible_id)
        with lock_crucible(self._client, crucible_id, self._unanswered) as locked:
            if locked is None or identity != verified or not locked.exists():
                raise TemporaryError(f"crucible {crucible_id} is being compared or rebuilt; it is proven afterwards")
            with locked.renewed():
                found = _differences(self._client, crucible_id, counted)
            locked.renew()
            if fence(self._client, crucible_id) != (identity, identity):
                raise TemporaryError(f"crucible {crucible_id}: Redis was replaced while its ratings were compared")
        if not found.number:
            return _proven(counted)
        return Differs(
            f"crucible {crucible_id}: other ratings or votes of {words.counted(found.number, 'entry')} in Redis than "
            f"the {words.counted(counted.last.votes, 'vote')} in ClickHouse give",
            tuple(sorted(found.first, key=lambda one: one.entry_id)),
        )


@dataclass(slots=True)
class _Found:
    """Counts entries that differ, and keeps the first of them."""

    first: list[RatingDifference]
    number: int = 0

    def add(self, difference: RatingDifference) -> None:
        """Count a difference, and keep it if there is room."""
        self.number += 1
        if len(self.first) < MAX_TOLD:
            self.first.append(difference)


def _differences(client: Client, crucible_id: int, counted: Recount) -> _Found:
    found, final = _Found([]), counted.final
    held = held_entries(client, crucible_id, final.entry_ids)
    for (entry, rating, votes), there in zip(final, held, strict=True):
        if (rating, votes) != there:
            found.add(RatingDifference(entry, there.rating, there.votes, rating, votes))
    for entry, there in moved_besides(client, crucible_id, counted.ratings):
        found.add(RatingDifference(entry, there.rating, there.votes, None, None))
    return found


def _proven(counted: Recount) -> Proven:
    last = counted.last
    return Proven(counted.final, last.votes, counted.final.digest(), last.epoch, last.seq)


def _misplaced(crucible_id: int, place: Frozen, counted: Recount) -> Differs | None:
    """Return what is wrong with the last vote in ClickHouse, if it is not the last one before the freeze."""
    last = counted.last
    frozen, ends = f"{place.epoch}-{place.seq}", f"{last.epoch}-{last.seq}"
    if (last.epoch, last.seq) > (place.epoch, place.seq):
        return Differs(f"crucible {crucible_id}: frozen after vote {frozen}, and ClickHouse has votes up to {ends}")
    if place.seq and (last.epoch, last.seq) < (place.epoch, place.seq):
        return Differs(
            f"crucible {crucible_id}: frozen after vote {frozen}, and ClickHouse has votes up to {ends} only; the "
            "others were answered, and lost with Redis before they were drained"
        )
    return None
