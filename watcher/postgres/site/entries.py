"""Which entries the site lets judges see, from its own tables."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from watcher.model.visibility import Hidden, Moderation, admitted_level, hidden
from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("entries.sql")

PAGE_ENTRIES: Final = 20_000
"""Entries of one statement: some tens of milliseconds."""


class Arrived(NamedTuple):
    """An entry whose row has just been shown."""

    crucible_id: int
    entry_id: int
    image_id: int


class LevelGroup(NamedTuple):
    """Entries of a crucible of whose images the site says the same, and which so belong to one level."""

    crucible_id: int
    level: int
    """Exact nsfwLevel of the images; 0 if they may not be shown."""
    reason: Hidden | None
    """Why they may not be shown."""
    entries: Sequence[int]
    images: Sequence[int]
    """The entries' images, in the same order."""


def look(session: Session, arrived: Sequence[Arrived], undecided: bool | None = True) -> list[LevelGroup]:
    """Return what is known of some entries, from one query.

    Those of crucibles that the site lacks are missing.

    Args:
        session: a connection.
        arrived: which.
        undecided: whether an entry takes part about which nothing was decided; None: it is missing.

    Raises:
        TemporaryError: PostgreSQL is away.
        PostgresRefusedError: a right is missing.
    """
    columns = [list(column) for column in zip(*arrived, strict=True)]
    rows = session.read(_STATEMENTS["arrived"], undecided, *columns) if arrived else []
    return [
        _level_group(crucible_id, level, about, [entry], [image])
        for crucible_id, entry, image, level, *about in rows
        if about[0] is not None
    ]


def open_crucibles(session: Session) -> list[tuple[int, int]]:
    """Return ids and levels of the crucibles that are not finished.

    Raises:
        TemporaryError: PostgreSQL is away.
        PostgresRefusedError: a right is missing.
    """
    return [(crucible_id, level) for crucible_id, level in session.read(_STATEMENTS["open_crucibles"])]


def look_at_all(
    session: Session, crucible_id: int, level: int, page: int = PAGE_ENTRIES, undecided: bool | None = True
) -> Iterator[list[LevelGroup]]:
    """Yield what the site says of all entries of a crucible, a page at a time.

    Args:
        session: a connection.
        crucible_id: whose entries.
        level: flags of the crucible.
        page: entries of one statement.
        undecided: whether an entry takes part about which nothing was decided; None: it is passed over.

    Raises:
        TemporaryError: PostgreSQL is away.
        PostgresRefusedError: a right is missing.
    """
    after = 0
    while rows := session.read(_STATEMENTS["entries"], undecided, crucible_id, after, page):
        yield [
            _level_group(crucible_id, level, about, entries, images)
            for *about, entries, images in rows
            if about[0] is not None
        ]
        after = max(max(entries) for *_, entries, _ in rows)


def _level_group(
    crucible_id: int, level: int, about: Sequence[Any], entries: Sequence[int], images: Sequence[int]
) -> LevelGroup:
    takes_part, there, *columns = about
    image = Moderation(*columns) if there else None
    if not takes_part:
        return LevelGroup(crucible_id, 0, Hidden.KEPT_OUT, entries, images)
    return LevelGroup(crucible_id, admitted_level(image, level), hidden(image, level), entries, images)
