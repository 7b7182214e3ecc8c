"""How a crucible ends, as those who follow it are told: that votes are over, then how it came out, with the proof."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from watcher.api.remembered import Remembered
from watcher.api.single_flight import SingleFlight
from watcher.api.site_problem import site_problem
from watcher.api.voting.crucibles import Crucible
from watcher.api.wire import Ending, EndingStatus, FeeBody, Place, ProofBody, moment
from watcher.model.errors import TemporaryError
from watcher.model.settlement import SettlementState
from watcher.postgres.own.endings import Placed, StoredEnding

UNDER_WAY_SECONDS: Final = 1.0
"""Seconds for which it stands how far an end is."""
OVER_SECONDS: Final = 60.0
"""Seconds for which a result stands, of which nothing changes any more."""
MAX_REMEMBERED_ENDINGS: Final = 10_000
"""Crucibles whose ends are remembered."""
_TOLD: Final[dict[SettlementState, EndingStatus]] = {
    SettlementState.FROZEN: "frozen",
    SettlementState.DRAINED: "settling",
    SettlementState.PROVEN: "settling",
    SettlementState.RANKED: "completed",
    SettlementState.PAYING: "completed",
    SettlementState.ANNOUNCED: "completed",
    SettlementState.DONE: "completed",
    SettlementState.REFUNDING: "cancelled",
    SettlementState.CANCELLED: "cancelled",
}


class EndingReader(Protocol):
    """Reads ends where they are written down, as :class:`watcher.postgres.own.endings.StoredEndings` does."""

    async def ending(self, crucible_id: int) -> StoredEnding | None:
        """Return how far the end of a crucible is; None if none of ours is to come."""
        ...

    async def podium(self, crucible_id: int) -> list[Placed]:
        """Return the first places of a crucible, best first."""
        ...


class Endings:
    """The ends of crucibles, remembered briefly.

    Args:
        stored: where they are written down.
        clock: monotonic seconds.
    """

    def __init__(self, stored: EndingReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._stored = stored
        self._remembered: Remembered[tuple[int, str], Ending] = Remembered(MAX_REMEMBERED_ENDINGS, clock)
        self._asking: SingleFlight[tuple[int, str], Ending] = SingleFlight()

    async def of(self, crucible: Crucible) -> Ending | None:
        """Return how a crucible ends; None while it takes votes, which costs no question.

        Raises:
            ProblemError: it is finished, and nobody can tell how.
        """
        if not (crucible.frozen or crucible.finished):
            return None
        key = crucible.id, crucible.status
        found = self._remembered.get(key)
        if found is not None:
            return found
        try:
            return await self._asking.get(key, partial(self._ask, crucible))
        except TemporaryError as error:
            if crucible.finished:
                raise site_problem(error) from error
            return Ending(status="frozen")  # Redis is enough to know that

    async def _ask(self, crucible: Crucible) -> Ending:
        stored = await self._stored.ending(crucible.id)
        status = ending_status(crucible, stored)
        podium = await self._stored.podium(crucible.id) if status == "completed" else []
        found = _ending(status, stored, podium)
        is_over = found.settledAt is not None
        self._remembered.put((crucible.id, crucible.status), found, OVER_SECONDS if is_over else UNDER_WAY_SECONDS)
        return found


def ending_status(crucible: Crucible, stored: StoredEnding | None) -> EndingStatus:
    """Return the word for how far the end of a crucible is.

    Args:
        crucible: finished, or frozen.
        stored: what is written down of its end; None for one that the site has closed by itself.
    """
    if crucible.status == "Cancelled":
        return "cancelled"
    if crucible.status == "Completed":
        return "completed"
    return "frozen" if stored is None else _TOLD.get(stored.state, "frozen")


def _ending(status: EndingStatus, stored: StoredEnding | None, podium: list[Placed]) -> Ending:
    places = [_place(one) for one in podium]
    if stored is None:
        return Ending(status=status, podium=places)
    proven = status == "completed" and stored.digest is not None and stored.votes is not None
    return Ending(
        status=status,
        frozenAt=_time(stored.frozen_ms),
        settledAt=_time(stored.settled_ms),
        pool=_buzz(stored.pool),
        paid=_buzz(stored.paid),
        remainder=_buzz(stored.remainder),
        refunded=_buzz(stored.refunded),
        podium=places,
        proof=ProofBody(stored.digest or "", stored.votes or 0) if proven else None,
    )


def _place(one: Placed) -> Place:
    return Place(one.position, one.entry, one.rating, one.votes, _buzz(one.prize))


def _buzz(amount: int | None) -> FeeBody | None:
    return None if amount is None else FeeBody(amount)


def _time(ms: int | None) -> str | None:
    return None if ms is None else moment(ms)
