"""Ids may lie anywhere: ranges without rows are passed over, and none is forgotten."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.reconcile.comparing import compared, comparing
from tests.reconcile.conftest import World
from watcher.postgres.counted_rows import CountedRows
from watcher.reconcile.rows.choice import Choice
from watcher.reconcile.rows.table import TableComparison


def test_rows_beyond_the_last_one_are_found(world: World) -> None:
    """A table that was emptied has no rows, and its counts are all left over."""
    contest = world.crucible()
    world.enter(contest, 10, first=1_000)
    world.count()
    world.events([("Crucible", contest, 1, "Entry", 1, -5, 90_000, 0)])
    world.site.execute('TRUNCATE "CrucibleEntry"')

    assert {one.kind.value for one in compared(world).values()} == {"left_over"}
    assert set(compared(world)) == {-5, *range(1_000, 1_010)}


def test_a_part_of_the_keys_is_compared_alone(world: World) -> None:
    """So that a table is compared bit by bit; the last part has what was counted of rows that are no more."""
    contest = world.crucible()
    world.enter(contest, 350)
    world.count("id NOT IN (7, 120, 299, 305)")
    world.events([("Crucible", contest, 1, "Entry", 1, 900, 90_000, 0)])
    told = list[tuple[int, int]]()

    def keys(comparison: TableComparison, part: range | None) -> set[int]:
        ranges = comparison.differing(lambda *said: told.append(said), part)
        return {one.key for _, found in ranges for one in found}

    with comparing(world) as comparison:
        assert comparison.ranges() == 4
        assert keys(comparison, range(1)) == {7}
        assert keys(comparison, range(1, 3)) == {120, 299}
        assert keys(comparison, range(3, 4)) == keys(comparison, range(3, 99)) == {305, 900}
        assert keys(comparison, range(4, 99)) == {900}
        assert keys(comparison, None) == {7, 120, 299, 305, 900}
    assert told[-1] == (4, 4)


FAR = 1_000_000_000
"""An id far above the others, as one of a test may be: a gap of ten million ranges of 100 keys."""


def test_gaps_of_ids_are_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a few questions; what was counted in the middle of a gap, of no row, is found all the same."""
    contest = world.crucible()
    world.enter(contest, 20)
    world.enter(contest, 1, first=FAR)
    world.enter(contest, 1, first=FAR // 2)
    world.count("id <> 5")
    world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = %s', (FAR // 2,))
    questions = list[int]()
    asked = CountedRows.checksums

    def checksums(self: CountedRows, low: int, *given: Any) -> Any:
        questions.append(low)
        return asked(self, low, *given)

    monkeypatch.setattr(CountedRows, "checksums", checksums)
    assert compared(world).keys() == {5, FAR // 2}
    assert len(questions) < 10

    since = Choice(since=datetime(2020, 1, 1, tzinfo=UTC))
    assert compared(world, choice=since).keys() == {5, FAR // 2}
    with comparing(world) as comparison:
        places = [1, 1000, FAR // 200 + 1, FAR // 100, FAR // 100 + 1]
        assert [comparison.next_range(one) for one in places] == [
            FAR // 200, FAR // 200, FAR // 100, FAR // 100, FAR // 100 + 1,
        ]  # fmt: skip


def test_a_key_that_no_row_can_have_is_left_over(world: World) -> None:
    """Counted under a number that the column of ids has no place for, it is told and not stumbled over."""
    contest, key = world.crucible(), 5_000_000_000
    world.enter(contest, 5)
    world.count()
    world.events([("Crucible", contest, 1, "Entry", 1, key, 9_000, 0)])

    assert {one: found.kind.value for one, found in compared(world).items()} == {key: "left_over"}


def test_chosen_rows_far_below_zero_are_found_once(world: World) -> None:
    """They are in windows of sixteen ranges, of which the first alone has whatever is below."""
    contest = world.crucible()
    for first in (-9_000, -6_000, -3_000, 1):
        world.enter(contest, 1, first=first)
    with comparing(world) as comparison:
        ranges = comparison.differing(lambda *_: None, choice=Choice(since=datetime(2020, 1, 1, tzinfo=UTC)))
        found = Counter(one.key for _, some in ranges for one in some)

    assert found == {-9_000: 1, -6_000: 1, -3_000: 1, 1: 1}
