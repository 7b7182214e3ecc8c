"""A row's bytes in ClickHouse's format RowBinary: the very values, and none that its column cannot hold."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.metric_columns import COLUMNS, CREATED_AT, PACKED_COLUMNS, SOURCE, SOURCE_ID, SOURCE_KEY, SOURCE_LSN
from watcher.model.metric_row import MetricRow, packing, unpacked
from watcher.model.metric_rows import MetricRows

INT32 = st.integers(-(2**31), 2**31 - 1)
TEXTS = st.text(max_size=40) | st.text("aé", min_size=120, max_size=140) | st.just("x" * 20_000)
ROWS = st.tuples(
    TEXTS, INT32, INT32, TEXTS, INT32, st.integers(-(2**63), 2**63 - 1), TEXTS, st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1), st.binary(min_size=16, max_size=16), st.integers(0, 255),
)  # fmt: skip
ROW: MetricRow = ("User", 7, 8, "crucibleCount", -1, 1_700_000_000_123, "Crucible", 42, 4096, b"0123456789abcdef", 3)


@given(rows=st.lists(ROWS, max_size=5))
def test_rows_come_back_as_they_were_packed(rows: list[MetricRow]) -> None:
    """Texts of any length, and the ends of every number's range."""
    assert list(MetricRows(rows)) == rows
    assert len(MetricRows(rows)) == len(rows)


def test_a_row_is_its_values_one_after_the_other() -> None:
    """Byte for byte, as ClickHouse's documentation of RowBinary has it."""
    assert bytes(MetricRows([ROW]).packed) == (
        b"\x04User" b"\x0dcrucibleCount" b"\x08Crucible"
        b"\x07\x00\x00\x00" b"\x08\x00\x00\x00" b"\xff\xff\xff\xff" b"\x7b\x68\xe5\xcf\x8b\x01\x00\x00"
        b"\x2a\x00\x00\x00\x00\x00\x00\x00" b"\x00\x10\x00\x00\x00\x00\x00\x00" b"0123456789abcdef" b"\x03"
    )  # fmt: skip


@pytest.mark.parametrize(("size", "length"), [(127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_a_long_text_has_its_length_in_groups_of_seven_bits(size: int, length: bytes) -> None:
    """LEB128: all but the last byte have their highest bit set."""
    assert packing("x" * size, "", "")(*ROW[1:3], *ROW[4:6], *ROW[7:])[: len(length) + 1] == length + b"x"


@pytest.mark.parametrize(
    ("at", "number"),
    [(1, 2**31), (1, -(2**31) - 1), (2, 2**31), (4, 2**31), (5, 2**63), (7, 2**63), (8, 2**64), (8, -1), (10, 256)],
)
def test_a_number_beyond_its_column_is_refused(at: int, number: int) -> None:
    """ClickHouse would take its lower bits and say nothing."""
    wrong = (*ROW[:at], number, *ROW[at + 1 :])

    with pytest.raises((struct.error, OverflowError)):
        MetricRows([ROW, wrong])  # type: ignore[list-item]


def test_the_columns_are_where_the_numbers_say() -> None:
    """Each column's value is where a row has it, and each is packed once, texts first."""
    named = [COLUMNS[place] for place in (CREATED_AT, SOURCE, SOURCE_KEY, SOURCE_LSN, SOURCE_ID)]
    assert named == ["createdAt", "source", "sourceKey", "sourceLsn", "sourceId"]
    assert (ROW[CREATED_AT], ROW[SOURCE_ID]) == (1_700_000_000_123, b"0123456789abcdef")
    assert PACKED_COLUMNS[:3] == ("entityType", "metricType", "source")
    assert sorted(PACKED_COLUMNS) == sorted(COLUMNS)
    assert len(COLUMNS) == len(ROW)


def test_half_a_row_is_no_row() -> None:
    """What was cut off is noticed, not read as something else."""
    with pytest.raises((struct.error, IndexError, UnicodeDecodeError)):
        list(unpacked(bytes(MetricRows([ROW]).packed)[:-1]))
