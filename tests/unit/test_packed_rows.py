"""A batch in ClickHouse's format MsgPack: the very values, and none that its column cannot hold."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.metric_rows import INT32_COLUMNS, MetricRow, MetricRows
from watcher.sinks.clickhouse import packed

INT32 = st.integers(-(2**31), 2**31 - 1)
ROWS = st.tuples(
    st.sampled_from(["Crucible", "User"]), INT32, INT32, st.text(max_size=40), INT32, st.integers(0, 2**43),
    st.just("CrucibleEntry"), st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1),
    st.binary(min_size=16, max_size=16), st.integers(0, 255),
)  # fmt: skip
ROW: MetricRow = ("User", 7, 7, "crucibleCount", 1, 0, "Crucible", 42, 4096, b"0123456789abcdef", 0)


@given(rows=st.lists(ROWS, max_size=5))
def test_nothing_stands_around_the_values(rows: list[MetricRow]) -> None:
    """Each value as MsgPack has it, one after the other."""
    assert packed(MetricRows(rows)) == b"".join(msgspec.msgpack.encode(value) for row in rows for value in row)


@pytest.mark.parametrize("count", [1, 2, 5_957, 5_958, 6_000])
def test_the_length_of_the_list_is_no_row(count: int) -> None:
    """A list of 15, of 65,535 and of more values begins in three ways; 5,957 rows are 65,527 values."""
    assert packed(MetricRows([ROW] * count)) == packed(MetricRows([ROW])) * count


@pytest.mark.parametrize("at", INT32_COLUMNS)
@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_a_number_beyond_its_column_is_refused(at: int, number: int) -> None:
    """ClickHouse would take its lower bits and say nothing."""
    wrong = (*ROW[:at], number, *ROW[at + 1 :])

    with pytest.raises(OverflowError):
        packed(MetricRows([ROW, wrong]))  # type: ignore[list-item]
