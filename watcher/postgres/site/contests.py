"""Crucibles and entries from the site's own tables, as the change stream would show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from watcher.model.effects import CrucibleState, EntryState
from watcher.model.prizes import paid_places
from watcher.model.row_state import FINISHED
from watcher.model.visibility import Moderation
from watcher.postgres.session import Session


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """An entry, and what the site says of its image."""

    entry: EntryState
    image: Moderation | None
    """None if there is no such row."""


_ENTRIES: Final = (
    'SELECT entry.id, entry."userId", entry."imageId", (extract(epoch FROM entry."createdAt") * 1000)::bigint, '
    'image.id, image."nsfwLevel", image."tosViolation", image."needsReview", image.ingestion::text, '
    'image."blockedFor" '
    'FROM public."CrucibleEntry" entry LEFT JOIN public."Image" image ON image.id = entry."imageId" '
)


def crucible(session: Session, crucible_id: int) -> CrucibleState | None:
    """The crucible's row, or None."""
    rows = session.run(
        'SELECT id, "userId", name, status::text, "nsfwLevel", (extract(epoch FROM "startAt") * 1000)::bigint, '
        '(extract(epoch FROM "endAt") * 1000)::bigint, "judgeRequirements"::text, "prizePositions"::text '
        'FROM public."Crucible" WHERE id = %s',
        crucible_id,
    )
    if not rows:
        return None
    ((number, user, name, status, level, start, end, judges, prizes),) = rows
    return CrucibleState(number, user, name, status, level, start, end, judges, paid_places(prizes))


def entries(session: Session, crucible_id: int, after: int, limit: int) -> list[SiteEntry]:
    """A page of a crucible's entries in the order of their ids.

    Args:
        session: a connection.
        crucible_id: whose.
        after: the last id of the page before; 0 for the first page.
        limit: entries at most.
    """
    rows = session.run(
        _ENTRIES + 'WHERE entry."crucibleId" = %s AND entry.id > %s ORDER BY entry.id LIMIT %s',
        crucible_id,
        after,
        limit,
    )
    return [_entry(crucible_id, row) for row in rows]


def entries_of(session: Session, crucible_id: int, ids: Sequence[int]) -> list[SiteEntry]:
    """Some of a crucible's entries; those that are gone are missing."""
    rows = session.run(_ENTRIES + 'WHERE entry."crucibleId" = %s AND entry.id = ANY(%s)', crucible_id, list(ids))
    return [_entry(crucible_id, row) for row in rows]


def _entry(crucible_id: int, row: tuple[Any, ...]) -> SiteEntry:
    image = Moderation(*row[5:]) if row[4] is not None else None
    return SiteEntry(EntryState(crucible_id, *row[:4]), image)


def unfinished_of(session: Session, ids: Sequence[int]) -> set[int]:
    """Those of the crucibles that are there and not finished."""
    rows = session.run(
        'SELECT id FROM public."Crucible" WHERE id = ANY(%s) AND status::text <> ALL(%s)', list(ids), sorted(FINISHED)
    )
    return {row[0] for row in rows}


def unfinished(session: Session, *statuses: str) -> list[int]:
    """Ids of crucibles in these states, or of all that are not finished; ascending."""
    rows = session.run(
        'SELECT id FROM public."Crucible" WHERE CASE WHEN cardinality(%s::text[]) > 0 THEN status::text = ANY(%s) '
        "ELSE status::text <> ALL(%s) END ORDER BY id",
        list(statuses),
        list(statuses),
        sorted(FINISHED),
    )
    return [row[0] for row in rows]
