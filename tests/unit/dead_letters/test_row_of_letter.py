"""Of a letter that cannot be used, its row is known as far as anything tells it."""

from datetime import UTC, datetime

import pytest

from watcher.dead_letters.row_of_letter import RowOf, row_of
from watcher.kafka.dead_letter_topic import StoredDeadLetter
from watcher.model.dead_letter_headers import RefusedRecord

KEYS = {"CrucibleEntry": ("public", "id")}
SOURCE = b'"source":{"table":"CrucibleEntry","schema":"public","lsn":1,"ts_ms":1}'


def letter(value: bytes | None, key: bytes | None = None) -> StoredDeadLetter:
    record = RefusedRecord("postgres.CrucibleEntry", 0, 1, "bad_row", "", "", "watcher", 1)
    return StoredDeadLetter(0, 1, datetime.now(UTC), record, key, value, ())


@pytest.mark.parametrize(
    ("value", "key", "found"),
    [
        (b'{"op":"u","before":null,"after":{"id":7},%s}' % SOURCE, None, 7),
        (b'{"op":"d","before":{"id":8},"after":null,%s}' % SOURCE, None, 8),
        (b'{"schema":{},"payload":{"op":"d","before":{"id":8},%s}}' % SOURCE, None, 8),
        (b'{"op":"u","before":null,"after":{"id":"x"},%s}' % SOURCE, b'{"id":9}', 9),
        (b'{"op":"u","before":null,"after":{"id":true},%s}' % SOURCE, None, None),
        (b'{"op":"u","befo', b'{"schema":{},"payload":{"id":10}}', 10),  # cut off: its topic says which table
        (b"\x00\x00\x00\x00\x01x", b'{"id":11}', 11),  # Avro, and no registry
        (b'{"op":"c","source":{"table":"Other"},"after":{"id":7}}', b'{"id":7}', None),
        (b'{"op":"c","source":{"table":"CrucibleEntry","schema":"attic"},"after":{"id":7}}', None, None),
        (b"[" * 100_000, b"\xff", None),
        (b"7", None, None),
        (None, None, None),
    ],
)
def test_the_row_of_a_letter(value: bytes | None, key: bytes | None, found: int | None) -> None:
    """The envelope first, then the record's key."""
    told = row_of(letter(value, key), "CrucibleEntry", KEYS, None)

    assert told == (None if found is None else RowOf("CrucibleEntry", found))


def test_a_letter_of_a_topic_that_nobody_knows_is_of_no_row() -> None:
    assert row_of(letter(b"{", b'{"id":7}'), "", KEYS, None) is None
