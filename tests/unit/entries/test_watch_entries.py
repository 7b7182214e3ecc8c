"""What the change stream shows decides which crucibles are looked at."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.contract.redis.rows import folded, state
from watcher.entries.watch_entries import WatchEntries
from watcher.model.effects import EntryGone, EntryState, EntryVerdict, StateEffect

UNUSED: Any = None


@pytest.mark.parametrize(
    ("effects", "undecided", "changed"),
    [
        ([EntryState(42, 1, 7, 5, 0)], {42}, set()),
        ([EntryGone(42, 1)], {42}, {42}),
        ([state(42)], {42}, {42}),
        ([EntryVerdict(42, 1, 5, takes_part=True)], set(), set()),
        ([EntryState(42, 1, 7, 5, 0), EntryVerdict(43, 1, 5, takes_part=False), state(44)], {42, 44}, {44}),
    ],
    ids=["an entry", "an entry that is gone", "the crucible's own row", "a verdict, which is ours", "several"],
)
def test_rows_have_their_crucibles_looked_at(
    effects: Sequence[StateEffect], undecided: set[int], changed: set[int]
) -> None:
    """New entries have to be decided; rules that changed, or an entry that left, have decided ones decided again."""
    entries = WatchEntries(UNUSED, UNUSED, UNUSED, 60.0)

    entries.shown(folded((lsn, effect) for lsn, effect in enumerate(effects, 1)))

    assert (entries._undecided.take(), entries._changed.take()) == (undecided, changed)
