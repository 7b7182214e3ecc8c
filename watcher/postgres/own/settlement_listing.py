"""Endings as people ask for them: many, or the whole story of one."""

from datetime import datetime
from importlib.resources import files
from typing import Any, Final

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "settlement.sql")


class ListedSettlement(msgspec.Struct, frozen=True):
    """An ending in a list. Times have a time zone but for the crucible's end, which is in UTC; amounts are Buzz."""

    crucible_id: int
    state: str
    name: str
    due_at: datetime | None
    changed_at: datetime
    frozen_at: datetime | None
    settled_at: datetime | None
    entries: int | None
    pool: int | None
    paid: int | None
    remainder: int | None
    refunded: int | None
    reason: str | None
    error: str | None


class ShownSettlement(msgspec.Struct, frozen=True):
    """Everything of one ending."""

    crucible_id: int
    state: str
    name: str
    creator_id: int
    setup_prefix: str | None
    due_at: datetime | None
    parked_from: str | None
    reason: str | None
    next_at: datetime
    attempts: int
    error: str | None
    claimed_by: str | None
    claimed_until: datetime | None
    changed_at: datetime
    frozen_at: datetime | None
    epoch: int | None
    seq: int | None
    digest: str | None
    votes: int | None
    settled_at: datetime | None
    entries: int | None
    placed: int | None
    pool: int | None
    paid: int | None
    remainder: int | None
    payouts: str | None
    refunded: int | None


class LoggedStep(msgspec.Struct, frozen=True):
    """One change of an ending's state."""

    made_at: datetime
    made_by: str
    state: str
    details: dict[str, Any]


class ListedPrize(msgspec.Struct, frozen=True):
    """A prize, and how its payment stands."""

    position: int
    entry_id: int
    user_id: int
    amount: int
    payment: str | None
    """State of its row in the outbox; None: it is not ours to pay."""
    error: str | None


class ChannelRows(msgspec.Struct, frozen=True):
    """How many rows of the outbox about a crucible are in a state that is not the end."""

    channel: str
    state: str
    rows: int


def listed(session: Session, *, state: str | None, most: int) -> list[ListedSettlement]:
    """Return endings: parked ones first, then those under way, to come, and over; None of the filter is all."""
    rows = session.read(_STATEMENTS["list_settlements"], {"state": state, "most": most})
    return [ListedSettlement(*row) for row in rows]


def shown(session: Session, crucible_id: int) -> ShownSettlement | None:
    """Return everything of one ending; None if there is none."""
    rows = session.read(_STATEMENTS["show_settlement"], crucible_id)
    return ShownSettlement(*rows[0]) if rows else None


def steps(session: Session, crucible_id: int) -> list[LoggedStep]:
    """Return every change of an ending's state, oldest first."""
    return [LoggedStep(*row) for row in session.read(_STATEMENTS["steps_of"], crucible_id)]


def prizes(session: Session, crucible_id: int) -> list[ListedPrize]:
    """Return the prizes of a result, best place first."""
    return [ListedPrize(*row) for row in session.read(_STATEMENTS["prizes_of"], crucible_id)]


def unfinished(session: Session, crucible_id: int) -> list[ChannelRows]:
    """Return what is still to be done outside about a crucible."""
    return [ChannelRows(*row) for row in session.read(_STATEMENTS["unfinished_rows"], crucible_id)]
