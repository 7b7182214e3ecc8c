"""Two looks between which the stream was waited for show what is wrong with a row, if they show the same."""

from collections.abc import Sequence

import pytest

from watcher.reconcile.repairs.confirmed import MAX_SIGHTS, confirmed
from watcher.reconcile.rows.differences import Difference, DifferenceKind

ALL_THE_TIME = list(range(10, 10 + MAX_SIGHTS))
"""Another difference at each look of a turn."""


def lacks(entries: int) -> Difference:
    """A row that lacks so many."""
    return Difference(7, DifferenceKind.MISSING, {("Crucible", 1, 2, "Entry"): entries}, {})


@pytest.mark.parametrize(
    ("turns", "real", "unclear"),
    [
        pytest.param([[1]], [1], [], id="it is there"),
        pytest.param([[0], [0]], [], [], id="it was on its way, and has come"),
        pytest.param([[0], [1]], [1], [], id="never counted, and gone: its deletion was on its way"),
        pytest.param([[2, 3, 1]], [1], [], id="it changes, and nothing is on its way at last"),
        pytest.param([[2, 3, 0], [4, 3]], [3], [], id="it was found in motion, and is wrong in another way"),
        pytest.param([[2, 0], [2, 2], [0]], [2], [], id="what was seen of it while it changed, once it has come"),
        pytest.param([ALL_THE_TIME, [0], [30 + one for one in ALL_THE_TIME]], [], [1], id="it changes all the time"),
    ],
)
def test_what_two_looks_show_alike_is_real(turns: list[list[int]], real: list[int], unclear: list[int]) -> None:
    """Looks of one turn do not confirm each other: the same changes may be on their way."""
    looks = [iter(turn) for turn in turns]

    def look(keys: Sequence[int]) -> list[Difference]:
        assert keys == [7]
        lack = next(looks[0])
        return [lacks(lack)] if lack else []

    found = confirmed([lacks(1)], look, lambda _: None, lambda: looks.pop(0) and None)

    assert found.real == [lacks(one) for one in real]
    assert found.unclear == [lacks(one) for one in unclear]
