"""What changes of Crucible come to."""

from typing import Any

import pytest

from handlers import REGISTRY
from handlers.crucible import TABLE
from tests.capture.envelopes import load
from tests.change_events import change, contest
from watcher.decode.decoder import Decoder
from watcher.model.change import ChangeEvent, Operation
from watcher.model.effects import CrucibleGone, CrucibleState, MetricDelta, ReconcileNeeded

CONTEST = contest(id=42, user_id=7)


def effects(event: ChangeEvent[Any]) -> list[Any]:
    """What every handler of the event's operation yields, in order."""
    return [effect for handler in TABLE.answering(event.op) for effect in handler(event)]


def captured(name: str) -> ChangeEvent[Any]:
    envelope = load(f"Crucible.{name}")
    event = Decoder(REGISTRY, None).decode(envelope.topic, envelope.value)
    assert isinstance(event, ChangeEvent)
    return event


def shown(**columns: Any) -> CrucibleState:
    row = contest(**columns)
    return CrucibleState(
        crucible_id=row.id, user_id=row.user_id, name=row.name, status=row.status, nsfw_level=row.nsfw_level,
        start_at=row.start_at, end_at=row.end_at, judge_requirements=row.judge_requirements,
        places=3,
    )  # fmt: skip


def test_a_crucible_counts_for_its_creator_and_is_shown() -> None:
    """One count goes up; every column that judges need is passed on."""
    assert effects(change(Operation.CREATE, after=CONTEST)) == [
        MetricDelta("User", 7, 7, "crucibleCount", 1),
        shown(id=42, user_id=7),
    ]


@pytest.mark.parametrize("text", [None, "", "[]", '{"1":', "7", '"1"', "null", "[[]]", '{"1":"50"}', "[" * 5_000])
def test_prizes_that_cannot_be_read_pay_nobody(text: str | None) -> None:
    """The crucible is shown all the same; a person's typing never holds up the stream."""
    (*_, state) = effects(change(Operation.CREATE, after=contest(prize_positions=text)))

    assert state.places == 0


def test_a_deleted_crucible_counts_back_and_is_gone() -> None:
    """The count goes down for whom it went up."""
    assert effects(change(Operation.DELETE, before=CONTEST)) == [
        MetricDelta("User", 7, 7, "crucibleCount", -1),
        CrucibleGone(42),
    ]


def test_an_edited_crucible_is_shown_and_counts_nothing() -> None:
    """The captured update only ends it."""
    event = captured("update")

    (state,) = effects(event)
    assert isinstance(state, CrucibleState)
    assert (state.status, state.name) == ("Completed", "Landscapes")


def test_a_crucible_handed_over_moves_from_one_user_to_the_other() -> None:
    """The sum over users stays what it was."""
    assert effects(change(Operation.UPDATE, CONTEST, contest(id=42, user_id=8))) == [
        MetricDelta("User", 7, 7, "crucibleCount", -1),
        MetricDelta("User", 8, 8, "crucibleCount", 1),
        shown(id=42, user_id=8),
    ]


def test_a_snapshots_row_is_shown_and_not_counted() -> None:
    """What it stands for was counted when it happened, or never; a comparison has to tell."""
    event = captured("snapshot")

    found = effects(event)
    assert [type(one) for one in found] == [CrucibleState, ReconcileNeeded]
    assert found[1] == ReconcileNeeded("Crucible", "snapshot")


def test_a_truncate_asks_for_a_comparison() -> None:
    """It names no row, so nothing can be counted back from it."""
    assert effects(captured("truncate")) == [ReconcileNeeded("Crucible", "truncate")]


def test_a_large_column_that_did_not_change_is_no_change() -> None:
    """With REPLICA IDENTITY FULL both sides carry it; its crucible counts nothing and is shown as it is."""
    event = captured("toast")

    assert not [one for one in effects(event) if isinstance(one, MetricDelta)]


ENDLESS, BEGINNINGLESS = 9_223_372_036_825_200_000, -9_223_372_036_832_400_000
"""What Debezium 3.7 sends for the infinities of a ``timestamp(3)``."""
FIRST_MS, LAST_MS = -2_208_988_800_000, 10_413_791_999_999


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (None, None)),
        (1_769_860_800_000, 1_769_904_000_000, (1_769_860_800_000, 1_769_904_000_000)),
        (BEGINNINGLESS, ENDLESS, (None, None)),
        (ENDLESS, BEGINNINGLESS, (LAST_MS, FIRST_MS)),
        (-63_517_824_000_000, 568_971_820_800_000, (None, None)),  # 44 BC and the year 20000
        (-210_866_803_200_000, 9_224_318_015_999_999, (None, None)),  # the first and the last that PostgreSQL holds
        (-1_000, -500, (-1_000, -500)),
    ],
)
def test_a_crucible_without_an_end_has_none(
    start: int | None, end: int | None, expected: tuple[int | None, int | None]
) -> None:
    """The stream reads the moments that nothing else holds as PostgreSQL's statements do (tests/postgres)."""
    (*_, state) = effects(change(Operation.CREATE, after=contest(start_at=start, end_at=end)))

    assert (state.start_at, state.end_at) == expected


@pytest.mark.parametrize("given", [1_769_860_800_000_000, 1_769_860_800_000_000_000, -63_517_824_000_000_000])
def test_another_unit_is_refused(given: int) -> None:
    """Microseconds would pass for an end in a far future, for each row of a connector that is set otherwise."""
    for columns in ({"start_at": given}, {"end_at": given}):
        with pytest.raises(ValueError, match=r"no moment in milliseconds.*time\.precision\.mode"):
            effects(change(Operation.CREATE, after=contest(**columns)))
