"""How rows get in: column by column, in text formats, from several clients, whole or not at all."""

from __future__ import annotations

import http.client
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

EVENTS = """
CREATE TABLE events (
    kind LowCardinality(String), id Int32, value Int32, at DateTime64(3), hash FixedString(4),
    note String DEFAULT 'none'
) ENGINE = MergeTree ORDER BY (kind, id)"""


def parts(client: Client, table: str) -> list[int]:
    """Rows of each active part, oldest first."""
    asked = "SELECT rows FROM system.parts WHERE database = currentDatabase() AND table = {t:String} AND active"
    return [row[0] for row in client.query(f"{asked} ORDER BY min_block_number", parameters={"t": table}).result_rows]


@pytest.fixture
def events(client: Client) -> str:
    """A table shaped like the metric events."""
    client.command(EVENTS)
    return "events"


def test_columns_arrive_as_they_were_sent(client: Client, events: str) -> None:
    """Columns of ints, with epoch milliseconds for DateTime64 and bytes for FixedString, come back as values."""
    columns = [["Crucible", "User"], [1, -2], [1, -1], [1_700_000_000_123, 0], [b"abcd", b"\x00\x01\x02\xff"]]
    client.insert(events, columns, column_names=["kind", "id", "value", "at", "hash"], column_oriented=True)

    asked = "SELECT kind, id, value, toUnixTimestamp64Milli(at), hash, note FROM events ORDER BY kind"
    assert client.query(asked).result_rows == [
        ("Crucible", 1, 1, 1_700_000_000_123, b"abcd", "none"),
        ("User", -2, -1, 0, b"\x00\x01\x02\xff", "none"),
    ]


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_one_insert_is_one_part(connect: Callable[..., Client], database: str, events: str, compress: str) -> None:
    """An insert of 300,000 rows, sent in several native blocks and any compression, becomes one part."""
    client = connect(database=database, compress=compress)
    count = 300_000
    columns = [["Crucible"] * count, list(range(count)), [1] * count, [0] * count, [b"abcd"] * count]
    client.insert(events, columns, column_names=["kind", "id", "value", "at", "hash"], column_oriented=True)

    assert [count] == parts(client, events)
    client.close()


@pytest.mark.parametrize(
    ("format_name", "block"),
    [
        ("JSONEachRow", b'{"kind":"Crucible","id":1,"value":1}\n{"kind":"Crucible","id":2,"value":1}\n'),
        ("CSV", b'"Crucible",1,1\n"Crucible",2,1\n'),
        ("TabSeparated", b"Crucible\t1\t1\nCrucible\t2\t1\n"),
        ("Values", b"('Crucible', 1, 1), ('Crucible', 2, 1)"),
    ],
)
def test_text_formats_fill_the_other_columns_with_defaults(
    client: Client, events: str, format_name: str, block: bytes
) -> None:
    """Writers that name three columns in a text format leave the rest to the table's defaults."""
    client.raw_insert(events, column_names=["kind", "id", "value"], insert_block=block, fmt=format_name)

    rows = client.query("SELECT kind, id, value, note FROM events ORDER BY id").result_rows
    assert rows == [("Crucible", 1, 1, "none"), ("Crucible", 2, 1, "none")]


@pytest.mark.usefixtures("events")
def test_a_statement_may_carry_its_rows(client: Client) -> None:
    """INSERT ... VALUES as one text works, expressions and all."""
    client.command(
        "INSERT INTO events (kind, id, value, at) VALUES ('Crucible', 1 + 1, 1, now64(3)), ('User', 3, 1, 0)"
    )

    assert client.query("SELECT id FROM events ORDER BY id").result_rows == [(2,), (3,)]


def test_a_bad_row_leaves_nothing_of_its_insert(client: Client, events: str) -> None:
    """When the last row cannot be parsed, the rows before it are not there either."""
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(events, insert_block=b'{"id":1}\n{"id":2}\n{"id":"many"}\n', fmt="JSONEachRow")

    assert caught.value.code is not None
    assert parts(client, events) == []


PACKED = [
    ("Crucible", -(2**31), 2**31 - 1, -2_208_988_800_000, b"abcd"),
    ("User", 2**31 - 1, -(2**31), 10_413_791_999_999, b"\x00\x01\x02\xff"),
    ("User", -1, 0, 1_700_000_000_123, b"    "),
]
NAMES = ["kind", "id", "value", "at", "hash"]


def pack(rows: list[tuple[str, int, int, int, bytes]]) -> bytes:
    """RowBinary: values, one after the other."""
    return b"".join(bytes([len(kind)]) + kind.encode() + struct.pack("<iiq4s", *numbers) for kind, *numbers in rows)


def test_packed_rows_arrive_as_they_were_sent(client: Client, events: str) -> None:
    """RowBinary brings the ends of every type's range: ids, values, times from 1900 to 2299, any bytes."""
    client.raw_insert(events, NAMES, pack(PACKED), fmt="RowBinary")

    asked = "SELECT kind, id, value, toUnixTimestamp64Milli(at), hash, note FROM events ORDER BY kind, id"
    found = client.query(asked, query_formats={"FixedString": "native"}).result_rows
    assert found == [(*row, "none") for row in sorted(PACKED)]


def test_one_packed_insert_is_one_part(client: Client, events: str) -> None:
    """An insert of 300,000 rows becomes one part, and so is there whole or not at all."""
    count = 300_000
    settings = {"max_insert_block_size": 2_000_000, "min_insert_block_size_rows": 2_000_000}
    settings |= {"min_insert_block_size_bytes": 1_000_000_000, "max_insert_threads": 1}
    client.raw_insert(events, NAMES, pack(PACKED[:1]) * count, settings, fmt="RowBinary")

    assert [count] == parts(client, events)


def test_a_request_that_breaks_off_leaves_nothing(client: Client, database: str, events: str) -> None:
    """Its writer dies in the middle, just between two rows: what came is no insert."""
    server = urlsplit(client.url)
    assert server.hostname is not None
    body = pack(PACKED) * 1000
    statement = f"INSERT INTO {events} ({', '.join(NAMES)}) FORMAT RowBinary"
    connection = http.client.HTTPConnection(server.hostname, server.port, timeout=10)
    connection.putrequest("POST", f"/?database={database}&query={quote(statement)}")
    for name, value in client.headers.items():
        if name.lower() in {"authorization", "x-clickhouse-user", "x-clickhouse-key"}:
            connection.putheader(name, value)
    connection.putheader("Content-Length", str(2 * len(body)))
    connection.endheaders(body)
    connection.close()

    client.raw_insert(events, NAMES, pack(PACKED), fmt="RowBinary")  # whoever comes after it finds its own rows alone
    assert parts(client, events) == [len(PACKED)]


def test_a_torn_block_leaves_nothing_of_its_insert(client: Client, events: str) -> None:
    """A native block that ends too early is an error and no row."""
    block = client.raw_query("SELECT toInt32(number) AS id FROM numbers(1000)", fmt="Native")
    with pytest.raises(DatabaseError):
        client.raw_insert(events, column_names=["id"], insert_block=block[: len(block) // 2], fmt="Native")

    assert parts(client, events) == []


def test_six_clients_insert_at_once(client: Client, connect: Callable[..., Client], database: str, events: str) -> None:
    """Six clients with five inserts each lose no row and double none."""

    def insert_five(writer: int) -> None:
        own = connect(database=database)
        for turn in range(5):
            base = (writer * 5 + turn) * 1000
            columns = [["Crucible"] * 1000, list(range(base, base + 1000))]
            own.insert(events, columns, column_names=["kind", "id"], column_oriented=True)
        own.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(insert_five, range(6)))

    # 6 clients * 5 inserts * 1000 rows
    assert client.query("SELECT count(), uniqExact(id) FROM events").result_rows == [(30_000, 30_000)]
