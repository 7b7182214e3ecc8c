"""The outbox: what is to be done outside, written in the transaction of what it announces."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Final, TypeVar

import msgspec

from watcher.model.outbox import LONGEST_WAIT_SECONDS, OutboxRow, OutboxState, OutboxStep
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "outbox.sql")
T = TypeVar("T", bound=msgspec.Struct)


class NewRow(msgspec.Struct, frozen=True):
    """A row to be written to the outbox."""

    channel: str
    kind: str
    subject: str
    key: str
    payload: Mapping[str, Any] | msgspec.Struct
    """What is stored as JSON."""


class OutboxBacklog(msgspec.Struct, frozen=True):
    """What waits in one state of one channel."""

    channel: str
    state: OutboxState
    rows: int
    oldest_seconds: float


class Listed(msgspec.Struct, frozen=True):
    """A row as people are told of it."""

    id: int
    channel: str
    kind: str
    subject: str
    key: str
    state: OutboxState
    attempts: int
    error: str | None
    created_at: datetime
    next_at: datetime


class Shown(msgspec.Struct, frozen=True):
    """All columns of a row."""

    id: int
    channel: str
    kind: str
    subject: str
    key: str
    payload: dict[str, Any]
    state: OutboxState
    attempts: int
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime
    next_at: datetime
    claimed_by: str | None
    claimed_until: datetime | None
    done_at: datetime | None


def put(session: Session, rows: Iterable[NewRow]) -> None:
    """Write rows, within the caller's transaction; one whose key is there already is left as it is."""
    text = msgspec.json.encode(list(rows)).decode()
    if text != "[]":
        session.later(_STATEMENTS["put_rows"], text)


def take(session: Session, channel: str, most: int, owner: str, lease_seconds: float) -> list[OutboxRow]:
    """Return rows that are now the owner's to carry out, with the state in which they were found.

    Args:
        session: the call commits by itself, so that it is known before anything leaves the process.
        channel: whose.
        most: rows.
        owner: of them, until the lease is over; names one dispatcher of one process.
        lease_seconds: until somebody else may take them.
    """
    asked = {
        "channel": channel, "most": most, "owner": owner, "lease": lease_seconds, "longest_wait": LONGEST_WAIT_SECONDS,
    }  # fmt: skip
    rows = session.run(_STATEMENTS["take_rows"], asked)
    return [
        OutboxRow(
            id=number, channel=named, kind=kind, subject=subject, key=key, payload=payload, state=OutboxState(state),
            attempts=attempts,
        )
        for number, named, kind, subject, key, payload, state, attempts in sorted(rows)
    ]  # fmt: skip


def finish(session: Session, row: OutboxRow, step: OutboxStep, owner: str) -> bool:
    """Write down what became of a row, within the caller's transaction.

    Returns:
        Whether it was still the owner's; if not, nothing may be written that follows from its outcome.
    """
    result = None if step.result is None else msgspec.json.encode(step.result).decode()
    done = step.state is OutboxState.DONE
    return bool(
        session.run(
            _STATEMENTS["finish_row"], step.state.value, step.wait_seconds, step.error, result, done, row.id, owner,
            row.attempts,
        )
    )  # fmt: skip


def next_due_seconds(session: Session, channel: str) -> float | None:
    """Return the seconds until a row of the channel is due, 0 or less if one is; None if nothing waits."""
    due: float | None = session.read(_STATEMENTS["next_due"], channel)[0][0]
    return due


def waiting(session: Session) -> list[OutboxBacklog]:
    """Return how much waits, by channel and state."""
    return [
        OutboxBacklog(channel, OutboxState(state), rows, oldest)
        for channel, state, rows, oldest in session.read(_STATEMENTS["count_rows"])
    ]


def listed(session: Session, *, state: str | None, channel: str | None, subject: str | None, most: int) -> list[Listed]:
    """Return rows, oldest first; None of a filter is all."""
    rows = session.read(_STATEMENTS["list_rows"], state, state, channel, channel, subject, subject, most)
    return [_converted(row, Listed) for row in rows]


def shown(session: Session, row_id: int) -> Shown | None:
    """Return everything of one row; None if there is none."""
    rows = session.read(_STATEMENTS["show_row"], row_id)
    return _converted(rows[0], Shown) if rows else None


def redrive(session: Session, *, row_id: int | None, channel: str | None) -> list[int]:
    """Have parked rows carried out again, after their cause was mended; returns their ids."""
    return [number for (number,) in session.run(_STATEMENTS["redrive_rows"], row_id, row_id, channel, channel)]


def _converted(row: Sequence[Any], kind: type[T]) -> T:
    """Return a row as people are told of it; its columns are the fields, in their order."""
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind, strict=False)
