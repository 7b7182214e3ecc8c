"""Which table and row a dead letter is about that cannot be used: as much as can be read of it all the same."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from watcher.decode.avro import AvroReader
from watcher.decode.decoder import AVRO_MAGIC
from watcher.kafka.dead_letter_topic import StoredDeadLetter
from watcher.model.errors import RecordError


class RowOf(NamedTuple):
    """A row of a source table."""

    table: str
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSubjects:
    """What letters are about, and what becomes of rows of those that cannot be used."""

    table_of: Callable[[StoredDeadLetter], str]
    """Whose change a letter is; empty where nobody knows."""
    row_of: Callable[[StoredDeadLetter], RowOf | None]
    """Which row it is about; only of tables whose rows can be compared alone."""
    settled: Callable[[str, Collection[int]], Collection[int]] | None = None
    """Compares rows of a table, puts them right, and returns which are; None: rows are not to be compared."""


def row_of(
    letter: StoredDeadLetter,
    usual: str,
    keys: Mapping[str, tuple[str, str]],
    avro: AvroReader | None,
) -> RowOf | None:
    """Return the row that a letter is about; None where it does not tell, or of a table that is none of these.

    Args:
        letter: which; it may hold the beginning of its record's value only.
        usual: the table whose changes its topic brings; empty: nobody knows.
        keys: tables with their PostgreSQL schema and the name of their key.
        avro: reads Avro values and keys; None where there is no registry.

    Raises:
        TemporaryError: the schema registry is away.
    """
    envelope = _read(letter.value, avro)
    source = envelope.get("source")
    if isinstance(source, dict):
        table = str(source.get("table"))
        if table not in keys or source.get("schema", keys[table][0]) != keys[table][0]:
            return None
    elif usual in keys:
        table = usual
    else:
        return None
    name = keys[table][1]
    for part in (envelope.get("after"), envelope.get("before"), _read(letter.key, avro)):
        found = part.get(name) if isinstance(part, dict) else None
        if type(found) is int:
            return RowOf(table, found)
    return None


def _read(data: bytes | None, avro: AvroReader | None) -> dict[str, Any]:
    """Return what a value or a key says; nothing where it cannot be read."""
    if not data:
        return {}
    if data[0] == AVRO_MAGIC:
        try:
            found = avro.read(data) if avro else None
        except RecordError:
            found = None
    else:
        try:
            found = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
    if isinstance(found, dict) and isinstance(found.get("payload"), dict):
        found = found["payload"]
    return found if isinstance(found, dict) else {}
