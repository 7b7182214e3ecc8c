"""Endings while a neighbour is away or refuses: nothing is paid, and no other crucible waits for it."""

import pytest

from tests.settlement.endings import PAST, Endings
from watcher.model.errors import RefusedError
from watcher.model.settlement import LONGEST_WAIT_SECONDS
from watcher.postgres.faults import ViolationError
from watcher.settlement.ports import Proven
from watcher.settlement.watch_endings import REFUSED_SECONDS


def test_a_neighbour_that_is_away_is_waited_for_and_nothing_is_paid(endings: Endings) -> None:
    crucible = endings.crucible()
    endings.enter(crucible, [None])
    other = endings.crucible(endAt=PAST)
    endings.ballots.away.update({"prove": 3})
    endings.end(crucible)

    for _ in range(3):
        endings.now()
        endings.turn()
    assert endings.moved(crucible) == (100, 0, 0)
    assert "prove: a neighbour is away" in endings.heard.faults

    endings.go_on()
    assert [endings.state(one) for one in (crucible, other)] == ["done", "done"]
    assert endings.shown(crucible, "error", "attempts") == (None, 0)


def test_a_refusal_of_one_ending_is_known_until_it_was_to_be_tried_again(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns go through, for other endings go on; the check ``workers`` tells of it all the same."""
    crucible = endings.crucible()
    endings.enter(crucible, [None])
    watch, now = endings.watch(), [100.0]
    monkeypatch.setattr(watch, "_clock", lambda: now[0])
    monkeypatch.setattr(endings.ballots, "prove", refuse)
    endings.end(crucible)
    for _ in range(3):
        endings.now()
        watch.turn()
    told = str(watch.refused_in_part())
    now[0] += LONGEST_WAIT_SECONDS + REFUSED_SECONDS
    later = watch.refused_in_part()
    watch.end()

    assert (told, later) == ("clickhouse: ACCESS_DENIED", None)


def refuse(_crucible: int) -> Proven:
    """Say what a server says that is there and does not want."""
    raise RefusedError("clickhouse: ACCESS_DENIED")


@pytest.mark.parametrize(
    "error",
    [KeyError("nothing"), ViolationError("one_winner", "a rule of the site's says no")],
    ids=["unforeseen", "violation"],
)
def test_an_error_that_no_wait_helps_holds_up_no_other_crucible(
    endings: Endings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bad, good = endings.crucible(endAt=PAST), endings.crucible(endAt=PAST)
    prove = endings.ballots.prove

    def fails(crucible_id: int) -> object:
        if crucible_id == bad:
            raise error
        return prove(crucible_id)

    monkeypatch.setattr(endings.ballots, "prove", fails)
    endings.go_on()

    assert [endings.state(one) for one in (bad, good)] == ["parked", "done"]
    assert type(error).__name__ in endings.shown(bad, "reason")
