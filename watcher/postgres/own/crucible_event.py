"""What other services are told: written in the transaction of what happened, carried to Kafka by Debezium."""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import islice
from typing import Final

import msgspec

from watcher.model.crucible_events import CrucibleEvent
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "crucible_event.sql")
_MAX_EVENTS: Final = 1_000
_MAX_BYTES: Final = 4_000_000
"""Bytes of events in one statement. More: it may outlast its time limit; less: more statements."""


def write(session: Session, events: Iterable[CrucibleEvent]) -> None:
    """Write events, in their order, within the caller's transaction."""
    for page in _pages(map(_row, events)):
        session.later(_STATEMENTS["write_events"], b"".join((b"[", b",".join(page), b"]")).decode())


def forget(session: Session, keep_days: int, most: int) -> int:
    """Delete the oldest events that are older than so many days, at most so many; return how many there were."""
    return len(session.run(_STATEMENTS["forget_events"], most, keep_days))


def _row(one: CrucibleEvent) -> bytes:
    return msgspec.json.encode(
        {"type": one.type, "crucible_id": one.data.crucible_id, "subject": one.subject, "data": one.data}
    )


def _pages(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    left = iter(rows)
    while page := list(islice(left, _MAX_EVENTS)):
        size, start = 0, 0
        for number, row in enumerate(page):
            if size and size + len(row) > _MAX_BYTES:
                yield page[start:number]
                size, start = 0, number
            size += len(row)
        yield page[start:]
