"""Verdicts as people ask for them: of a crucible, or the whole story of one entry."""

from datetime import datetime
from importlib.resources import files
from typing import Any, Final

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "entry_listing.sql")


class ListedEntry(msgspec.Struct, frozen=True):
    """An entry in a list."""

    entry_id: int
    user_id: int
    image_id: int
    verdict: str
    reasons: list[str]
    fee: int
    decided_at: datetime
    waiting_since: datetime | None


class CountedVerdict(msgspec.Struct, frozen=True):
    """How many entries of a crucible have a verdict, and what they add to its pool."""

    verdict: str
    entries: int
    fees: int


class ShownEntry(msgspec.Struct, frozen=True):
    """How an entry and its fee stand."""

    entry_id: int
    crucible_id: int
    user_id: int
    image_id: int
    verdict: str
    reasons: list[str]
    fee: int
    entered_at: datetime
    decided_at: datetime
    waiting_since: datetime | None
    prefix: str | None
    source: str | None
    payment: str | None
    collected: int | None


class LoggedDecision(msgspec.Struct, frozen=True):
    """One change of a verdict, with what was known then."""

    made_at: datetime
    made_by: str
    verdict: str
    reasons: list[str]
    facts: dict[str, Any]


def entries_of(
    session: Session, crucible_id: int, *, verdict: str | None, reason: str | None, most: int
) -> list[ListedEntry]:
    """Return entries of a crucible in the order in which they came; None of a filter is all."""
    asked = {"crucible": crucible_id, "verdict": verdict, "reason": reason, "most": most}
    return [ListedEntry(*row) for row in session.read(_STATEMENTS["list_entries"], asked)]


def counted(session: Session, crucible_id: int) -> list[CountedVerdict]:
    """Return how many entries a crucible has of each verdict."""
    rows = session.read(_STATEMENTS["count_entries"], crucible_id)
    return [CountedVerdict(verdict, entries, int(fees)) for verdict, entries, fees in rows]


def shown(session: Session, entry_id: int) -> ShownEntry | None:
    """Return how an entry stands; None if nothing was decided about it."""
    rows = session.read(_STATEMENTS["show_entry"], entry_id)
    return ShownEntry(*rows[0]) if rows else None


def decisions(session: Session, entry_id: int) -> list[LoggedDecision]:
    """Return every change of an entry's verdict, oldest first."""
    return [LoggedDecision(*row) for row in session.read(_STATEMENTS["decisions_of"], entry_id)]
