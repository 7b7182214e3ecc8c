"""How the ClickHouse door reads a statement."""

from __future__ import annotations

import pytest

from stack.clickhouse_door.errors import StatementError
from stack.clickhouse_door.statement import Insert, OtherStatement, read_statement


@pytest.mark.parametrize(
    ("given", "head", "format_name", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x00\xffFORMAT CSV", "INSERT INTO t ", "Native", b"\x00\xffFORMAT CSV"),
        (b"insert into t (a, `format`) format CSV\n\n1", "insert into t (a, `format`) ", "CSV", b"\n1"),
        (b"INSERT INTO t SETTINGS x = 'FORMAT' FORMAT TSV 1", "INSERT INTO t SETTINGS x = 'FORMAT' ", "TSV", b"1"),
        (b"-- FORMAT CSV\nINSERT INTO t VALUES (1)", "-- FORMAT CSV\nINSERT INTO t ", "Values", b" (1)"),
        (b"INSERT INTO t (values) VALUES (1)", "INSERT INTO t (values) ", "Values", b" (1)"),
        (b"INSERT INTO t (a) ;", "INSERT INTO t (a) ", "Values", b""),
    ],
)
def test_an_insert_ends_where_its_data_begins(given: bytes, head: str, format_name: str, data: bytes) -> None:
    """The first FORMAT or VALUES outside quotes, comments and parentheses ends the statement."""
    read = read_statement(given, None)

    assert isinstance(read, Insert)
    assert (read.head, read.format, given[read.data_at :]) == (head, format_name, data)


@pytest.mark.parametrize(
    ("given", "output_format", "reads"),
    [
        (b"SELECT 1", "TabSeparated", True),
        (b"SELECT 1 FORMAT JSON;", "JSON", True),
        (b"SELECT format FROM t", "TabSeparated", True),
        (b"SELECT ' FORMAT CSV' /* FORMAT CSV */", "TabSeparated", True),
        (b"SELECT (SELECT 1) FORMAT Native SETTINGS max_threads = 1", "Native", True),
        (b"(SELECT 1) UNION ALL (SELECT 2)", "TabSeparated", True),
        (b"INSERT INTO t SELECT 1", "TabSeparated", False),
        (b"INSERT INTO t (a) (SELECT 1)", "TabSeparated", False),
        (b"ALTER TABLE t ADD COLUMN a Int8", "TabSeparated", False),
    ],
)
def test_any_other_statement_answers_in_its_format(given: bytes, output_format: str, reads: bool) -> None:
    """The last word FORMAT outside quotes, comments and parentheses names the format of the answer."""
    assert read_statement(given, None) == OtherStatement(given.decode(), output_format, reads)


def test_the_request_may_choose_the_format() -> None:
    """Without FORMAT the request's default holds."""
    assert read_statement(b"SELECT 1", "CSV") == OtherStatement("SELECT 1", "CSV", True)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (b"SELECT 1; SELECT 2", 62),
        (b"SELECT '\xff'", 62),
        (b"CREATE USER somebody", 48),
        (b"GRANT ALL ON *.* TO somebody", 48),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", 48),
    ],
)
def test_what_is_not_supported_is_refused(given: bytes, code: int) -> None:
    """Each with ClickHouse's code, and never run."""
    with pytest.raises(StatementError) as caught:
        read_statement(given, None)

    assert caught.value.code == code
