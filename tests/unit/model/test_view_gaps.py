"""Whether a view shows what the raw table holds, and whether a plan explains the difference."""

from hypothesis import given
from hypothesis import strategies as st

from watcher.model.view_gaps import Gap, contribution, gap

A, B, OTHER = ("Crucible", 1, "Entry"), ("User", 2, "crucibleEntryCount"), ("Crucible", 9, "Entry")
KEYS = st.sampled_from([A, B])
TOTALS = st.dictionaries(KEYS, st.integers(-5, 50))
PLANS = st.dictionaries(KEYS, st.integers(-3, 3), min_size=1)


@given(raw=TOTALS, plan=PLANS)
def test_a_view_that_has_everything_has_no_gap(raw: dict[object, int], plan: dict[object, int]) -> None:
    """A key that is absent on both sides is zero on both."""
    assert gap(raw, raw, plan) is Gap.NONE  # type: ignore[arg-type]


@given(raw=TOTALS, plan=PLANS.filter(lambda plan: any(plan.values())))
def test_a_view_that_lacks_the_plan_lacks_exactly_the_plan(raw: dict[object, int], plan: dict[object, int]) -> None:
    """Sending the plan again closes such a gap."""
    view = {key: raw.get(key, 0) - value for key, value in plan.items()}

    assert gap(raw, view, plan) is Gap.PLAN  # type: ignore[arg-type]


@given(raw=TOTALS, view=TOTALS, plan=PLANS)
def test_sending_again_is_tried_only_where_it_heals(
    raw: dict[object, int], view: dict[object, int], plan: dict[object, int]
) -> None:
    """Whatever the difference: if the verdict is the plan, adding the plan leaves none."""
    if gap(raw, view, plan) is Gap.PLAN:  # type: ignore[arg-type]
        healed = {key: view.get(key, 0) + value for key, value in plan.items()}
        assert gap(raw, healed, plan) is Gap.NONE  # type: ignore[arg-type]


def test_half_a_plan_is_not_the_plan() -> None:
    """Nor is one that is there twice: neither may be mended by sending it once more."""
    assert gap({A: 4, B: 4}, {A: 3, B: 4}, {A: 1, B: 1}) is Gap.OTHER
    assert gap({A: 4}, {A: 5}, {A: 1}) is Gap.OTHER


def test_keys_of_others_are_not_looked_at() -> None:
    """Somebody else inserts all the time; only the plan's own keys tell something of the plan."""
    assert gap({A: 1, OTHER: 5}, {A: 1}, {A: 1}) is Gap.NONE


def test_a_plans_rows_add_up_by_key() -> None:
    """Rows of one key fold into one number, whoever they are attributed to."""
    rows = [("Crucible", 1, user, "Entry", value, 0, "", 0, 0, b"", 0) for user, value in ((1, 1), (2, 1), (1, -1))]

    assert contribution(rows) == {A: 1}
