"""What the change stream shows decides which rows are looked at."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.contract.redis.rows import folded, state
from watcher.entries.touched_rows import MAX_TOLD, RowIds, TouchedRows
from watcher.model.effects import EntryGone, EntryState, EntryVerdict, StateEffect
from watcher.model.row_state import RowStates


def poll(*effects: StateEffect) -> RowStates:
    return folded((lsn, effect) for lsn, effect in enumerate(effects, 1))


@pytest.mark.parametrize(
    ("effects", "rows"),
    [
        ([EntryState(42, 1, 7, 5, 0)], RowIds(entries={1})),
        ([EntryGone(42, 1)], RowIds(gone={1})),
        ([state(42)], RowIds(crucibles={42})),
        ([EntryVerdict(42, 1, 5, takes_part=True)], RowIds()),
        (
            [EntryState(42, 1, 7, 5, 0), EntryGone(42, 2), EntryVerdict(43, 3, 5, takes_part=False), state(44)],
            RowIds(entries={1}, gone={2}, crucibles={44}),
        ),
    ],
    ids=["an entry", "an entry that is gone", "the crucible's own row", "a verdict, which is ours", "several"],
)
def test_rows_are_told_of(effects: Sequence[StateEffect], rows: RowIds) -> None:
    """New entries have to be decided, and rules that changed followed; verdicts would have us decide for ever."""
    told = TouchedRows()

    assert told.add(poll(*effects)) is bool(rows)
    assert told.take() == rows
    assert told.take() == RowIds()


def test_too_many_are_forgotten_and_it_is_said() -> None:
    told = TouchedRows()

    assert told.add(poll(*(EntryState(42, entry, 7, 5, 0) for entry in range(MAX_TOLD + 1))))
    assert told.add(poll(EntryState(42, 1, 7, 5, 0)))

    assert told.take() is None
    assert told.take() == RowIds()


def test_what_is_taken_while_more_is_added_is_whole() -> None:
    """Two threads: what came after a taking is there at the next one, and is not put where nobody looks any more."""
    told, taken = TouchedRows(), set[int]()

    class Interrupted(RowStates):
        def items(self) -> Any:
            for one in super().items():
                yield one
                rows = told.take()
                assert rows is not None
                taken.update(rows.entries)

    told.add(Interrupted(poll(EntryState(42, 1, 7, 5, 0), EntryState(43, 2, 7, 5, 0))))

    last = told.take()
    assert last is not None
    assert taken | last.entries == {1, 2}
