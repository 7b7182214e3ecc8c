"""What a committed change looks like once its envelope is decoded.

The shapes follow Debezium's PostgreSQL connector documentation ("Data change events"). Decoding fills these structs
directly, so that a change event costs one object and not two.
"""

from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from watcher.model.bounds import Lsn, Microseconds, Milliseconds

SITE_SCHEMA: Final = "public"
"""The PostgreSQL schema of the site's own tables."""


class Operation(StrEnum):
    """The six codes of an envelope's ``op`` field."""

    CREATE = "c"
    UPDATE = "u"
    DELETE = "d"
    READ = "r"
    """A snapshot read: the row's state, not a change to it."""
    TRUNCATE = "t"
    """The whole table was emptied. The event names no row."""
    MESSAGE = "m"
    """A logical decoding message (``pg_logical_emit_message``)."""


class SourceBlock(msgspec.Struct, frozen=True, gc=False):
    """Where in PostgreSQL a change comes from: the fields of an envelope's ``source`` block that we rely on."""

    table: str
    lsn: Lsn
    """Byte position of the change in the write-ahead log. Rows of one COPY may share it."""
    ts_ms: Milliseconds
    """Commit time of the transaction, in milliseconds since 1970."""
    ts_us: Microseconds | None = None
    """The same in microseconds; connectors before 2.6 do not send it, then the milliseconds have to do."""
    schema: str = SITE_SCHEMA
    """PostgreSQL schema of the table. Debezium always sends it."""


class Row(Protocol):
    """A table's row as its handlers see it: the columns that they need, and always the primary key."""

    @property
    def id(self) -> int:
        """Return the primary key of the row."""
        ...


RowT = TypeVar("RowT", bound=Row)


class ChangeEvent(msgspec.Struct, Generic[RowT], frozen=True, gc=False):
    """One row's change in one committed transaction."""

    op: Operation
    source: SourceBlock
    before: RowT | None = None
    after: RowT | None = None

    @property
    def row(self) -> RowT:
        """Return the row after the change; of a delete the row before it.

        Raises:
            ValueError: the event carries no row at all (a truncate or a message).
        """
        row = self.before if self.after is None else self.after
        if row is None:
            raise ValueError(f"a {self.op.name} event of {self.source.table} names no row")
        return row


class Position(msgspec.Struct, frozen=True, order=True):
    """Where in Kafka a record lies: for commits and for people. It does not tell one change from another."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"
