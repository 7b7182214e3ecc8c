"""Change events for tests, said in the words that matter to the test; everything else is the tables' samples."""

import json
from typing import Any

import msgspec

from handlers import crucible, crucible_entry
from handlers.crucible import CrucibleRow
from handlers.crucible_entry import CrucibleEntryRow
from watcher.model.change import ChangeEvent, Operation, SourceBlock

COMMITTED_US = 1_760_000_000_123_456


def entry(**columns: int) -> CrucibleEntryRow:
    """A row of CrucibleEntry."""
    return msgspec.structs.replace(crucible_entry.TABLE.sample, **columns)


def contest(**columns: Any) -> CrucibleRow:
    """A row of Crucible."""
    return msgspec.structs.replace(crucible.TABLE.sample, **columns)


def change(
    op: Operation, before: Any = None, after: Any = None, *, table: str = "", lsn: int = 4096
) -> ChangeEvent[Any]:
    """A change of whichever table the rows are of."""
    table = table or ("Crucible" if isinstance(after or before, CrucibleRow) else "CrucibleEntry")
    return ChangeEvent(
        op=op,
        source=SourceBlock(table=table, lsn=lsn, ts_ms=COMMITTED_US // 1000, ts_us=COMMITTED_US),
        before=before,
        after=after,
    )


def value(event: ChangeEvent[Any]) -> bytes:
    """The event as a connector would put it on the wire."""
    return msgspec.json.encode(event)


def altered(envelope: bytes | None, *path: str, to: Any = None, drop: bool = False) -> bytes:
    """An envelope with one place of it set to another value, or taken out."""
    assert envelope is not None
    whole = json.loads(envelope)
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return json.dumps(whole, separators=(",", ":")).encode()
