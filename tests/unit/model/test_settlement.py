"""What follows what in the life of an ending."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.settlement import (
    BEFORE_THE_RESULT,
    FINISHED,
    FOLLOWING,
    Action,
    CrucibleNow,
    SettlementState,
    next_action,
)

STATUSES = ["Pending", "Active", "Completed", "Cancelled", "SomethingNew"]
LEADS_TO = {
    Action.FREEZE: SettlementState.FROZEN,
    Action.DRAIN: SettlementState.DRAINED,
    Action.PROVE: SettlementState.PROVEN,
    Action.RANK: SettlementState.RANKED,
    Action.LET_GO: SettlementState.PAYING,
    Action.AWAIT_PAYMENTS: SettlementState.ANNOUNCED,
    Action.AWAIT_NOTICES: SettlementState.DONE,
    Action.REFUND: SettlementState.REFUNDING,
    Action.GIVE_BACK: SettlementState.CANCELLED,
    Action.PARK: SettlementState.PARKED,
}
CRUCIBLES = st.none() | st.builds(CrucibleNow, st.sampled_from(STATUSES), st.booleans())


@given(st.sampled_from(SettlementState), CRUCIBLES)
def test_every_action_leads_to_a_state_that_may_follow(state: SettlementState, crucible: CrucibleNow | None) -> None:
    action = next_action(state, crucible)

    assert action is Action.WAIT or LEADS_TO[action] in FOLLOWING[state]


def test_an_active_crucible_that_is_over_passes_all_states() -> None:
    over, state, passed = CrucibleNow("Active", is_over=True), SettlementState.DUE, []
    while (action := next_action(state, over)) is not Action.WAIT:
        state = LEADS_TO[action]
        passed.append(state.value)

    assert passed == ["frozen", "drained", "proven", "ranked", "paying", "announced", "done"]


@pytest.mark.parametrize("state", BEFORE_THE_RESULT)
@pytest.mark.parametrize(
    "crucible", [None, CrucibleNow("Cancelled", is_over=False), CrucibleNow("Cancelled", is_over=True)]
)
def test_before_the_result_a_cancel_gives_everything_back(state: SettlementState, crucible: CrucibleNow | None) -> None:
    assert next_action(state, crucible) is Action.REFUND


@given(st.sampled_from(sorted(set(SettlementState) - set(BEFORE_THE_RESULT))), CRUCIBLES)
def test_after_the_result_the_crucible_s_row_changes_nothing(
    state: SettlementState, crucible: CrucibleNow | None
) -> None:
    assert next_action(state, crucible) is next_action(state, None)


@pytest.mark.parametrize("status", ["Completed", "Pending", "SomethingNew"])
@pytest.mark.parametrize("state", BEFORE_THE_RESULT[1:])
def test_a_frozen_crucible_of_another_status_is_parked(state: SettlementState, status: str) -> None:
    assert next_action(state, CrucibleNow(status, is_over=True)) is Action.PARK


def test_somebody_else_s_result_is_parked() -> None:
    assert next_action(SettlementState.DUE, CrucibleNow("Completed", is_over=True)) is Action.PARK


@pytest.mark.parametrize("crucible", [CrucibleNow("Active", is_over=False), CrucibleNow("Pending", is_over=True)])
def test_an_end_that_has_not_come_is_waited_for(crucible: CrucibleNow) -> None:
    assert next_action(SettlementState.DUE, crucible) is Action.WAIT


def test_an_end_that_is_moved_away_after_the_freeze_stays_an_end() -> None:
    assert next_action(SettlementState.FROZEN, CrucibleNow("Active", is_over=False)) is Action.DRAIN


def test_what_is_finished_stays_so() -> None:
    assert all(not FOLLOWING[state] for state in FINISHED)


def test_from_every_state_an_end_is_reached() -> None:
    """No state is a trap, and each can be parked and go back."""
    for start in SettlementState:
        reached, fresh = {start}, [start]
        while fresh:
            fresh = [one for state in fresh for one in FOLLOWING[state] if one not in reached]
            reached |= set(fresh)
        assert reached & set(FINISHED)
        assert start in FINISHED or SettlementState.PARKED in {start, *FOLLOWING[start]}
