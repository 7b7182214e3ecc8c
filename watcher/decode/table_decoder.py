"""Decodes a value in bare JSON to a change of one table in one pass: the short way that most values go."""

from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from watcher.model.change import ChangeEvent, Operation, SourceBlock
from watcher.model.errors import Reason, RecordError
from watcher.model.registry import Table

Decode = Callable[[Any], ChangeEvent[Any]]
"""Returns the change that a value is."""
UNAVAILABLE: Final = "__debezium_unavailable_value"
"""What the connector writes in place of a value that it does not know, unless it is told another word."""
UNAVAILABLE_BYTES: Final = UNAVAILABLE.encode()


def _texts(row: type[Any]) -> tuple[str, ...]:
    """Return the columns of a row that may be long enough to be stored apart from it."""
    fields = msgspec.inspect.type_info(row).fields  # type: ignore[attr-defined] # a row is a struct
    kinds = {one.name: getattr(one.type, "types", (one.type,)) for one in fields}
    return tuple(
        name for name, types in kinds.items() if any(isinstance(kind, msgspec.inspect.StrType) for kind in types)
    )


class TableDecoder:
    """Decodes the JSON changes of one table; knows in one pass whether a value is one."""

    def __init__(self, table: Table[Any]) -> None:
        self.table = table
        self.type = ChangeEvent[table.row]  # type: ignore[name-defined]
        self._decode: Decode = msgspec.json.Decoder(self.type).decode
        self._texts = _texts(table.row)
        self.decode = self._decode_with_texts if self._texts else self._decode
        """Returns the change that a value in JSON is."""

    def _decode_with_texts(self, value: bytes) -> ChangeEvent[Any]:
        event = self._decode(value)
        return self.filled(event) if UNAVAILABLE_BYTES in value else event

    def filled(self, event: ChangeEvent[Any]) -> ChangeEvent[Any]:
        """Return an update whose row has what its columns hold, also those that PostgreSQL did not send again.

        A long value that an update leaves alone is stored apart from the row, and not in the log a second time: the
        connector puts a placeholder there. With ``REPLICA IDENTITY FULL`` the row before has it.

        Raises:
            RecordError: the row before is missing.
        """
        if event.op is not Operation.UPDATE:
            return event
        before, after = complete(event).before, cast("Any", event.after)
        kept = {name: getattr(before, name) for name in self._texts if getattr(after, name) == UNAVAILABLE}
        return msgspec.structs.replace(event, after=msgspec.structs.replace(after, **kept)) if kept else event

    def owns(self, source: SourceBlock) -> bool:
        """Return whether a change with this source is one of the table, by its name and PostgreSQL schema."""
        return source.table == self.table.name and source.schema == self.table.schema


def complete(event: ChangeEvent[Any]) -> ChangeEvent[Any]:
    """Return the event, if it carries the rows that its operation needs.

    Raises:
        RecordError: a needed row is missing, which means that the table lacks ``REPLICA IDENTITY FULL``.
    """
    op = event.op
    if op == "c" or op == "r":  # noqa: PLR1714 - a tuple would be built per event
        whole = event.after is not None
    elif op == "u":
        whole = event.before is not None and event.after is not None
    elif op == "d":
        whole = event.before is not None
    else:
        whole = True
    if not whole:
        raise RecordError(
            Reason.INCOMPLETE_ROW,
            f"a {op.name} of {event.source.table} came with before={'row' if event.before else 'null'} and "
            f"after={'row' if event.after else 'null'}; "
            f'run ALTER TABLE {event.source.schema}."{event.source.table}" REPLICA IDENTITY FULL',
            event.source.table,
            op,
        )
    return event
