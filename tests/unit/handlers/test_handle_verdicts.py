"""What verdicts and comments count: the difference that a change makes, whatever it was before."""

from itertools import product
from typing import Any

import msgspec
import pytest

from handlers import crucible_comment, entry_verdict
from tests.change_events import change
from watcher.model.change import Operation
from watcher.model.effects import EntryVerdict, MetricDelta
from watcher.model.entry_verdict import VerdictState

ROW = entry_verdict.TABLE.sample
STATES = [*VerdictState, None]


def row(state: VerdictState | None, fee: int = 100) -> Any:
    """The sample's verdict; None for no row."""
    if state is None:
        return None
    return msgspec.structs.replace(ROW, verdict=state, fee=fee if state is VerdictState.ADMITTED else 0)


def operation(before: Any, after: Any) -> Operation:
    """What happened, by what there was and is."""
    if before is None:
        return Operation.CREATE
    return Operation.DELETE if after is None else Operation.UPDATE


def totals(effects: Any) -> dict[str, int]:
    """What the effects add up to, without what adds up to nothing."""
    found: dict[str, int] = {}
    for effect in effects:
        assert isinstance(effect, MetricDelta)
        assert (effect.entity_type, effect.entity_id, effect.user_id) == ("Crucible", ROW.crucible_id, ROW.user_id)
        found[effect.metric_type] = found.get(effect.metric_type, 0) + effect.value
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize(("old", "new"), [pair for pair in product(STATES, STATES) if pair != (None, None)])
def test_a_change_counts_its_difference(old: VerdictState | None, new: VerdictState | None) -> None:
    before, after = row(old), row(new)
    names = {VerdictState.ADMITTED: "EntryAdmitted", VerdictState.REJECTED: "EntryRejected"}

    expected: dict[str, int] = {}
    for state, sign in ((old, -1), (new, +1)):
        if state in names:
            expected[names[state]] = expected.get(names[state], 0) + sign
        if state is VerdictState.ADMITTED:
            expected["PrizePool"] = expected.get("PrizePool", 0) + sign * 100
    event = change(operation(before, after), before, after, table="entry_verdict")
    assert totals(entry_verdict.count_verdicts(event)) == {name: value for name, value in expected.items() if value}


def test_a_fee_that_becomes_known_is_the_pool_s_difference() -> None:
    event = change(Operation.UPDATE, row(VerdictState.ADMITTED, 60), row(VerdictState.ADMITTED), table="entry_verdict")

    assert totals(entry_verdict.count_verdicts(event)) == {"PrizePool": 40}


def test_a_verdict_that_moves_is_counted_where_it_is() -> None:
    """An entry that is moved takes its place and its fee out of one crucible and into the other."""
    before = row(VerdictState.ADMITTED)
    event = change(Operation.UPDATE, before, msgspec.structs.replace(before, crucible_id=43), table="entry_verdict")

    assert [
        (one.entity_id, one.metric_type, one.value)
        for one in entry_verdict.count_verdicts(event)
        if isinstance(one, MetricDelta)
    ] == [(42, "EntryAdmitted", -1), (42, "PrizePool", -100), (43, "EntryAdmitted", +1), (43, "PrizePool", +100)]


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize("state", VerdictState)
def test_who_is_let_in_is_judged(state: VerdictState, enforced: bool) -> None:
    """Whatever it was before, and as a snapshot reads it; where verdicts keep nobody out, everybody."""
    after = msgspec.structs.replace(row(state), enforced=enforced)
    shown = EntryVerdict(42, 1001, 555, takes_part=state is VerdictState.ADMITTED or not enforced)

    for was, now in [(Operation.CREATE, None), (Operation.UPDATE, ROW), (Operation.READ, None)]:
        assert list(entry_verdict.show_verdict(change(was, now, after, table="entry_verdict"))) == [shown]


def test_who_is_gone_or_elsewhere_is_not_judged_where_it_was() -> None:
    moved = msgspec.structs.replace(ROW, crucible_id=43)
    left = EntryVerdict(42, 1001, 555, takes_part=False)

    deleted = entry_verdict.show_verdict(change(Operation.DELETE, ROW, None, table="entry_verdict"))
    elsewhere = entry_verdict.show_verdict(change(Operation.UPDATE, ROW, moved, table="entry_verdict"))

    assert list(deleted) == [left]
    assert list(elsewhere) == [left, EntryVerdict(43, 1001, 555, takes_part=True)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, crucible_comment.TABLE.sample, [(42, 7, +1)]),
        (crucible_comment.TABLE.sample, None, [(42, 7, -1)]),
        (
            crucible_comment.TABLE.sample,
            msgspec.structs.replace(crucible_comment.TABLE.sample, crucible_id=43),
            [(42, 7, -1), (43, 7, +1)],
        ),
        (crucible_comment.TABLE.sample, crucible_comment.TABLE.sample, []),
    ],
)
def test_comments_count_for_their_crucible(before: Any, after: Any, expected: list[tuple[int, int, int]]) -> None:
    event = change(operation(before, after), before, after, table="crucible_comment")

    assert [
        (one.entity_id, one.user_id, one.value)
        for one in crucible_comment.count_comments(event)
        if isinstance(one, MetricDelta) and one.metric_type == "commentCount"
    ] == expected
