"""How a batch is divided for the sink: nothing is left out, nothing is there twice."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.metric_columns import CREATED_AT
from watcher.model.metric_row import MetricRow
from watcher.model.metric_rows import NEAR_BYTES, MetricRows, log_ranges, month

LSNS = st.lists(st.integers(0, 200) | st.integers(0, 2**53 - 1), min_size=1, max_size=60)


def row(created_at: int, lsn: int = 0) -> MetricRow:
    return ("Crucible", 1, 1, "Entry", 1, created_at, "CrucibleEntry", 1, lsn, bytes(16), 0)


@given(lsns=LSNS, most=st.integers(1, 20))
def test_every_log_position_lies_in_exactly_one_range(lsns: list[int], most: int) -> None:
    """Few ranges, in order, apart from each other, and none of them reaches beyond what it holds."""
    ranges = log_ranges(lsns, most)

    assert len(ranges) <= most
    assert all(low <= high for low, high in ranges)
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(ranges))
    assert all(sum(low <= lsn <= high for low, high in ranges) == 1 for lsn in lsns)
    assert {end for one in ranges for end in one} <= set(lsns)


@given(lsns=LSNS)
def test_ranges_leave_out_the_widest_gap(lsns: list[int]) -> None:
    """A re-sent old change beside new ones must not drag in everything between."""
    ordered = sorted(set(lsns))
    widest = max((after - before for before, after in itertools.pairwise(ordered)), default=0)

    ranges = log_ranges(lsns, 2)

    if ordered[-1] - ordered[0] > NEAR_BYTES:
        assert ranges[1][0] - ranges[0][1] == widest


@given(times=st.lists(st.integers(-2_208_988_800_000, 10_413_791_999_999), min_size=1, max_size=40))
def test_a_part_holds_one_month_and_all_parts_hold_all_rows(times: list[int]) -> None:
    """The order within a month stays; ClickHouse's DateTime64 reaches from 1900 to 2299, and so does this."""
    rows = [row(time, lsn=number) for number, time in enumerate(times)]

    parts = list(MetricRows(rows).by_month())

    assert [name for name, _ in parts] == sorted({month(time) for time in times})
    for name, part in parts:
        assert list(part) == [one for one in rows if month(one[CREATED_AT]) == name]


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "197001"),
        (-1, "196912"),
        (1_761_955_199_999, "202510"),  # 2025-10-31 23:59:59.999
        (1_761_955_200_000, "202511"),
    ],
)
def test_a_month_ends_in_utc(milliseconds: int, expected: str) -> None:
    """As in toYYYYMM of a UTC column, wherever the watcher runs."""
    assert month(milliseconds) == expected
