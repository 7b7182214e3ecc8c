"""When dead letters are too many to be the records' fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.dead_letter import DeadLetterLimit
from watcher.model.errors import DeadLetterLimitError


def stops_at(runs: list[tuple[int, int]], consecutive: int, share: float, window: int) -> int | None:
    """Index of the run that stops the consumer."""
    limit = DeadLetterLimit(consecutive, share, window)
    for number, run in enumerate(runs):
        try:
            limit.record(*run)
        except DeadLetterLimitError:
            return number
    return None


@pytest.mark.parametrize(
    ("runs", "stopped", "why"),
    [
        ([(0, 3)], None, "3 in a row are allowed"),
        ([(0, 4)], 0, "4 are not"),
        ([(0, 2), (0, 2)], 1, "a row goes on over polls"),
        ([(0, 3), (1, 0), (0, 3)], None, "one good record ends a row"),
        ([(5, 3), (0, 1)], 1, "3 after good ones, then a fourth"),
    ],
)
def test_dead_letters_in_a_row(runs: list[tuple[int, int]], stopped: int | None, why: str) -> None:
    """A bad deploy refuses everything; a bad client refuses between good records."""
    assert stops_at(runs, consecutive=3, share=1.0, window=10_000) == stopped, why


@pytest.mark.parametrize(
    ("runs", "stopped", "why"),
    [
        ([(1, 1)] * 4, None, "8 records are fewer than the window of 10"),
        ([(1, 1)] * 5, 4, "5 of 10 are more than 4 in 10"),
        ([(6, 4)] * 20, None, "4 of 10 are just allowed, for ever"),
        ([(100, 0), (4, 6)], 1, "long health does not excuse the last 10"),
    ],
)
def test_the_share_of_dead_letters(runs: list[tuple[int, int]], stopped: int | None, why: str) -> None:
    """A share is taken of the latest records only, once there are enough of them."""
    assert stops_at(runs, consecutive=1_000, share=0.4, window=10) == stopped, why


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), max_size=60))
def test_a_limit_of_everything_never_stops(runs: list[tuple[int, int]]) -> None:
    """A share of 1 and a row that cannot be reached: whoever wants no limit can have none."""
    assert stops_at(runs, consecutive=61, share=1.0, window=5) is None


def test_only_the_letters_before_the_limit_are_allowed() -> None:
    """Of a poll full of bad records, as many go as may, and the first one too many is the reason to stop."""
    allowed, over = DeadLetterLimit(consecutive=3, share=1.0, window=100).allow([(2, 1), *[(0, 1)] * 50])

    assert (allowed, "4 dead letters in a row" in str(over)) == (3, True)


def test_the_message_says_where_to_look_and_what_to_set() -> None:
    """Both are needed: sometimes the records are to blame after all."""
    with pytest.raises(DeadLetterLimitError, match=r"crucible dlq list.*dead_letters\.consecutive"):
        DeadLetterLimit(0, 1.0, 10).record(0, 1)
