"""How far a crucible's end is, in which word, asked of whom and how often."""

import msgspec
import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.voting.crucibles import Crucible
from watcher.api.voting.endings import OVER_SECONDS, UNDER_WAY_SECONDS, Endings, ending_status
from watcher.api.wire import Ending, FeeBody, Place, ProofBody
from watcher.model.errors import TemporaryError
from watcher.model.judge_requirements import judge_requirements
from watcher.model.settlement import SettlementState
from watcher.postgres.own.endings import Placed, StoredEnding


def crucible(status: str = "Active", *, frozen: bool = True) -> Crucible:
    return Crucible(
        id=42, name="", status=status, level=1, start_ms=None, end_ms=None, requirements=judge_requirements(None),
        live=True, frozen=frozen,
    )  # fmt: skip


def stored(state: SettlementState, **known: object) -> StoredEnding:
    nothing = StoredEnding(
        state=state, frozen_ms=None, settled_ms=None, digest=None, votes=None, pool=None, paid=None, remainder=None,
        refunded=None,
    )  # fmt: skip
    return msgspec.structs.replace(nothing, **known)


class Stored:
    """What is written down; counts questions."""

    def __init__(self, ending: StoredEnding | None = None, podium: list[Placed] | None = None) -> None:
        self.known, self.places, self.asked, self.is_away = ending, podium or [], 0, False

    async def ending(self, crucible_id: int) -> StoredEnding | None:
        self.asked += 1
        if self.is_away:
            raise TemporaryError("away")
        return self.known

    async def podium(self, crucible_id: int) -> list[Placed]:
        return self.places


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (SettlementState.DUE, "frozen"),
        (SettlementState.FROZEN, "frozen"),
        (SettlementState.DRAINED, "settling"),
        (SettlementState.PROVEN, "settling"),
        (SettlementState.RANKED, "completed"),
        (SettlementState.PAYING, "completed"),
        (SettlementState.ANNOUNCED, "completed"),
        (SettlementState.DONE, "completed"),
        (SettlementState.REFUNDING, "cancelled"),
        (SettlementState.CANCELLED, "cancelled"),
    ],
)
def test_each_state_has_its_word(state: SettlementState, told: str) -> None:
    """Of a crucible that its own row still calls active; what the row says of an end comes first."""
    assert ending_status(crucible(), stored(state)) == told
    assert ending_status(crucible("Completed"), stored(state)) == "completed"
    assert ending_status(crucible("Cancelled"), stored(state)) == "cancelled"


@pytest.mark.parametrize(
    ("status", "told"), [("Active", "frozen"), ("Completed", "completed"), ("Cancelled", "cancelled")]
)
def test_a_crucible_that_nobody_of_us_ended(status: str, told: str) -> None:
    """The site closed it by itself, or Redis knows of a freeze before anything else does."""
    assert ending_status(crucible(status), None) == told


async def test_while_votes_are_taken_nobody_is_asked() -> None:
    """Every look at every crucible would cost a question."""
    known = Stored(stored(SettlementState.DUE))

    assert await Endings(known).of(crucible(frozen=False)) is None
    assert known.asked == 0


async def test_a_result_is_told_with_podium_prizes_and_proof() -> None:
    """And remembered for longer than an end that is under way."""
    now = [0.0]
    known = Stored(stored(SettlementState.PROVEN, digest="ab", votes=7, frozen_ms=1_760_000_000_000))
    endings = Endings(known, lambda: now[0])

    assert await endings.of(crucible()) == Ending(status="settling", frozenAt="2025-10-09T08:53:20.000Z")
    assert await endings.of(crucible()) is not None
    assert known.asked == 1
    now[0] = UNDER_WAY_SECONDS
    known.known = stored(
        SettlementState.PAYING, digest="ab", votes=7, settled_ms=1_760_000_001_000, pool=300, paid=150, remainder=150
    )
    known.places = [
        Placed(position=1, entry=9, rating=1_516, votes=7, prize=150),
        Placed(position=2, entry=8, rating=None, votes=None, prize=None),
    ]
    told = Ending(
        status="completed", settledAt="2025-10-09T08:53:21.000Z", pool=FeeBody(300), paid=FeeBody(150),
        remainder=FeeBody(150), podium=[Place(1, 9, 1_516, 7, FeeBody(150)), Place(2, 8, None, None, None)],
        proof=ProofBody("ab", 7),
    )  # fmt: skip
    assert await endings.of(crucible()) == told
    now[0] += OVER_SECONDS / 2
    assert await endings.of(crucible()) == told
    assert known.asked == 2
    assert await endings.of(crucible("Completed")) == told  # its row has come: that is looked at anew
    assert known.asked == 3


async def test_without_postgres_a_freeze_is_told_all_the_same() -> None:
    """Redis knows that votes are over; how it came out nobody can tell then."""
    known = Stored()
    known.is_away = True

    assert await Endings(known).of(crucible()) == Ending(status="frozen")
    with pytest.raises(ProblemError, match="postgres_away"):
        await Endings(known).of(crucible("Completed"))
