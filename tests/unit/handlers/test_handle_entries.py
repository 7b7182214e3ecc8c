"""What changes of CrucibleEntry come to."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import REGISTRY
from handlers.crucible_entry import TABLE, CrucibleEntryRow, count_entries, show_entry
from tests.capture.envelopes import load
from tests.change_events import change, entry
from tests.contract.redis.rows import folded
from watcher.decode.decoder import Decoder
from watcher.entries.touched_rows import RowIds, TouchedRows
from watcher.model.change import ChangeEvent, Operation
from watcher.model.effects import EntryGone, EntryState, MetricDelta, ReconcileNeeded
from watcher.model.registry import Registry
from watcher.model.view_gaps import contribution

ENTRY = entry(id=1, crucible_id=42, user_id=7, image_id=5, created_at=1000)


def effects(event: ChangeEvent[Any]) -> list[Any]:
    """What every handler of the event's operation yields, in order."""
    return [effect for handler in TABLE.answering(event.op) for effect in handler(event)]


def captured(name: str) -> ChangeEvent[Any]:
    envelope = load(f"CrucibleEntry.{name}")
    event = Decoder(REGISTRY, None).decode(envelope.topic, envelope.value)
    assert isinstance(event, ChangeEvent)
    return event


def test_an_entry_counts_for_its_crucible_and_its_entrant_and_is_shown() -> None:
    """Two counts go up, and judges see it."""
    assert effects(change(Operation.CREATE, after=ENTRY)) == [
        MetricDelta("Crucible", 42, 7, "Entry", 1),
        MetricDelta("User", 7, 7, "crucibleEntryCount", 1),
        EntryState(42, 1, 7, 5, 1000),
    ]


def test_a_deleted_entry_counts_back_and_is_gone() -> None:
    """The same two counts go down again, for whom they went up."""
    assert effects(change(Operation.DELETE, before=ENTRY)) == [
        MetricDelta("Crucible", 42, 7, "Entry", -1),
        MetricDelta("User", 7, 7, "crucibleEntryCount", -1),
        EntryGone(42, 1),
    ]


def test_a_score_written_back_yields_nothing() -> None:
    """Settlement writes score, vote count and position into this table; that must not come back as a metric."""
    event = captured("update")
    written = load("CrucibleEntry.update").value or b""

    assert b'"score":1516' in written
    assert effects(event) == []


def told(decoder: Decoder) -> tuple[list[Any], RowIds | None]:
    """What a captured checkpoint of a score comes to, and what of it those who decide about entries are told."""
    envelope = load("CrucibleEntry.update")
    event = decoder.decode(envelope.topic, envelope.value)
    assert isinstance(event, ChangeEvent)
    found, watch = effects(event), TouchedRows()
    watch.add(folded((event.source.lsn, one) for one in found))
    return found, watch.take()


def test_a_checkpoint_of_a_score_is_no_news() -> None:
    """As Debezium sent it: nothing is counted, nothing is shown again, and nobody decides about the entry again."""
    assert told(Decoder(REGISTRY, None)) == ([], RowIds())


def test_a_checkpoint_would_be_news_if_scores_were_read() -> None:
    """The control: with the columns in the row type each checkpoint shows the entry again, and has it decided again."""

    class WithScore(CrucibleEntryRow, frozen=True, gc=False, rename="camel"):
        score: int
        vote_count: int

    table = msgspec.structs.replace(TABLE, row=WithScore, sample=None)
    found, rows = told(Decoder(Registry({TABLE.name: table}), None))

    assert [type(one) for one in found] == [EntryState]
    assert rows == RowIds(entries={1})


def test_a_new_image_is_shown_and_counts_nothing() -> None:
    """The entry is the same one; what it shows has changed."""
    assert effects(change(Operation.UPDATE, ENTRY, entry(id=1, crucible_id=42, user_id=7, image_id=6))) == [
        EntryState(42, 1, 7, 6, TABLE.sample.created_at)
    ]


def test_a_moved_entry_leaves_one_crucible_and_enters_the_other() -> None:
    """Both crucibles' counts move; the old one no longer shows it."""
    moved = entry(id=1, crucible_id=43, user_id=7, image_id=5, created_at=1000)

    assert effects(change(Operation.UPDATE, ENTRY, moved)) == [
        MetricDelta("Crucible", 42, 7, "Entry", -1),
        MetricDelta("User", 7, 7, "crucibleEntryCount", -1),
        MetricDelta("Crucible", 43, 7, "Entry", 1),
        MetricDelta("User", 7, 7, "crucibleEntryCount", 1),
        EntryGone(42, 1),
        EntryState(43, 1, 7, 5, 1000),
    ]


def test_an_entry_handed_over_moves_from_one_user_to_the_other() -> None:
    """The crucible keeps its count, attributed to the new owner."""
    handed = entry(id=1, crucible_id=42, user_id=8, image_id=5, created_at=1000)

    assert effects(change(Operation.UPDATE, ENTRY, handed)) == [
        MetricDelta("Crucible", 42, 7, "Entry", -1),
        MetricDelta("User", 7, 7, "crucibleEntryCount", -1),
        MetricDelta("Crucible", 42, 8, "Entry", 1),
        MetricDelta("User", 8, 8, "crucibleEntryCount", 1),
        EntryState(42, 1, 8, 5, 1000),
    ]


def test_a_changed_key_is_a_delete_and_a_create() -> None:
    """Debezium sends it as two changes; the counts end where they began, and the state moves to the new key."""
    gone, come = captured("key_change_delete"), captured("key_change_create")
    deltas = [one for event in (gone, come) for one in effects(event) if isinstance(one, MetricDelta)]

    assert sum(delta.value for delta in deltas) == 0
    assert gone.row.id != come.row.id
    assert [type(one) for event in (gone, come) for one in show_entry(event)] == [EntryGone, EntryState]


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (9_223_372_036_825_200_000, 10_413_791_999_999),
        (-9_223_372_036_832_400_000, -2_208_988_800_000),
        (568_971_820_800_000, 10_413_791_999_999),
        (10_413_792_000_000, 10_413_791_999_999),
    ],
)
def test_an_entry_made_at_no_moment_stands_at_the_outermost(given: int, held: int) -> None:
    """As PostgreSQL's statements have it; it only breaks ties."""
    (*_, state) = effects(change(Operation.CREATE, after=entry(created_at=given)))

    assert state.created_at == held


def test_a_snapshots_row_is_shown_and_not_counted() -> None:
    """What it stands for was counted when it happened, or never; a comparison has to tell."""
    event = captured("snapshot")

    assert effects(event) == [
        EntryState(1, 2, 2, 1, event.row.created_at),
        ReconcileNeeded("CrucibleEntry", "snapshot"),
    ]


def test_a_truncate_asks_for_a_comparison() -> None:
    """It names no row, so nothing can be counted back from it."""
    assert effects(captured("truncate")) == [ReconcileNeeded("CrucibleEntry", "truncate")]


ROWS = st.builds(
    lambda crucible, user, image: entry(id=1, crucible_id=crucible, user_id=user, image_id=image),
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3),
)  # fmt: skip


@given(life=st.lists(ROWS, min_size=1, max_size=8))
def test_a_life_from_create_to_delete_leaves_no_count(life: list[Any]) -> None:
    """However often an entry was moved, handed over or shown anew: when it is gone, every count is back."""
    events = [
        change(Operation.CREATE, after=life[0]),
        *(change(Operation.UPDATE, before, after) for before, after in itertools.pairwise(life)),
        change(Operation.DELETE, before=life[-1]),
    ]

    totals: dict[tuple[str, int, str], int] = {}
    for event in events:
        for delta in count_entries(event):
            assert isinstance(delta, MetricDelta)
            key = (delta.entity_type, delta.entity_id, delta.metric_type)
            totals[key] = totals.get(key, 0) + delta.value
    assert set(totals.values()) == {0}


@given(life=st.lists(ROWS, min_size=1, max_size=8))
def test_while_it_lives_it_counts_once_where_it_is(life: list[Any]) -> None:
    """After any number of updates the counts are those of one entry, in its last crucible, of its last owner."""
    events = [
        change(Operation.CREATE, after=life[0]),
        *(change(Operation.UPDATE, before, after) for before, after in itertools.pairwise(life)),
    ]

    rows = [
        (delta.entity_type, delta.entity_id, delta.user_id, delta.metric_type, delta.value, 0, "", 0, 0, b"", 0)
        for event in events
        for delta in count_entries(event)
        if isinstance(delta, MetricDelta)
    ]
    last = life[-1]
    assert {key: total for key, total in contribution(rows).items() if total} == {
        ("Crucible", last.crucible_id, "Entry"): 1,
        ("User", last.user_id, "crucibleEntryCount"): 1,
    }


@pytest.mark.parametrize("operation", list(Operation))
def test_every_operation_of_the_table_is_answered_or_ignored_with_a_reason(operation: Operation) -> None:
    """Nothing falls through in silence."""
    assert bool(TABLE.answering(operation)) != bool(TABLE.ignored.get(operation))
