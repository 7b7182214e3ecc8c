"""Crucibles and entries from the site's own tables, as the change stream would show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from watcher.model.effects import CrucibleState, EntryState
from watcher.model.prizes import paid_places
from watcher.model.visibility import Moderation
from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("contests.sql")


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """An entry, and what the site says of its image."""

    entry: EntryState
    image: Moderation | None
    """None if there is no such row."""


def crucible(session: Session, crucible_id: int) -> CrucibleState | None:
    """Return the crucible's row; None if there is none."""
    rows = session.read(_STATEMENTS["crucible"], crucible_id)
    if not rows:
        return None
    ((number, user, name, status, level, start_ms, end_ms, judges, prizes),) = rows
    return CrucibleState(number, user, name, status, level, start_ms, end_ms, judges, paid_places(prizes))


def entries(session: Session, crucible_id: int, after: int, limit: int) -> list[SiteEntry]:
    """Return a page of a crucible's entries in the order of their ids.

    Args:
        session: a connection.
        crucible_id: whose.
        after: the last id of the page before; 0 for the first page.
        limit: entries at most.
    """
    return [_entry(crucible_id, row) for row in session.read(_STATEMENTS["entries"], crucible_id, after, limit)]


def entries_of(session: Session, crucible_id: int, ids: Sequence[int]) -> list[SiteEntry]:
    """Return some of a crucible's entries; those that are gone are missing."""
    return [_entry(crucible_id, row) for row in session.read(_STATEMENTS["entries_of"], crucible_id, list(ids))]


def _entry(crucible_id: int, row: tuple[Any, ...]) -> SiteEntry:
    number, user, image_id, created_ms, there, *moderation = row
    image = Moderation(*moderation) if there else None
    return SiteEntry(EntryState(crucible_id, number, user, image_id, created_ms), image)


def unfinished_of(session: Session, ids: Sequence[int]) -> set[int]:
    """Return the ids of those crucibles that are there and not finished."""
    return {row[0] for row in session.read(_STATEMENTS["unfinished_of"], list(ids))}


def present_of(session: Session, ids: Sequence[int]) -> set[int]:
    """Return the ids of those crucibles that are there, whatever their status."""
    return {row[0] for row in session.read(_STATEMENTS["present_of"], list(ids))}


def files_of_rows(session: Session) -> str:
    """Return which files the rows of crucibles and entries lie in: others after a TRUNCATE."""
    return str(session.read(_STATEMENTS["files"])[0][0])


def unfinished(session: Session, *statuses: str) -> list[int]:
    """Return the ids of crucibles in these states, or of all that are not finished; ascending."""
    return [row[0] for row in session.read(_STATEMENTS["unfinished"], list(statuses), list(statuses))]


def lately_finished(session: Session, seconds: int) -> list[int]:
    """Return the ids of crucibles that may have finished within so many seconds; ascending, and a few too many."""
    return [row[0] for row in session.read(_STATEMENTS["lately_finished"], seconds)]
