"""Rows of the site that the page is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

USER = 'INSERT INTO "User" (username, "browsingLevel", "showNsfw", "bannedAt") VALUES (%s, 31, true, %s) RETURNING id'
IMAGE = """
INSERT INTO "Image" ("userId", url, width, height, type, "nsfwLevel", ingestion, "updatedAt")
VALUES (%s, %s, 832, 1216, %s, 1, 'Scanned', now()) RETURNING id
"""
CRUCIBLE = """
INSERT INTO "Crucible" ("userId", name, "nsfwLevel", status, "startAt", "endAt", "updatedAt")
VALUES (%s, %s, 31, %s, now() AT TIME ZONE 'UTC' + make_interval(secs => %s),
        now() AT TIME ZONE 'UTC' + make_interval(secs => %s), now()) RETURNING id
"""
ENTRY = 'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") VALUES (%s, %s, %s) RETURNING id'
THREAD = 'INSERT INTO "Thread" ("imageId") VALUES (%s) ON CONFLICT DO NOTHING'
COMMENT = """
INSERT INTO "CommentV2" (content, "userId", "threadId", "reactionCount", "updatedAt")
SELECT %s, %s, id, %s, now() FROM "Thread" WHERE "imageId" = %s
"""


@dataclass(frozen=True, slots=True)
class Contest:
    """A crucible of the site."""

    id: int
    entries: tuple[int, ...]
    images: dict[int, int]
    """Entry -> image."""


class Site:
    """Writes rows.

    Args:
        connection: in autocommit.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._number = 0
        self.owner = self.user()

    def user(self, *, banned: bool = False) -> int:
        """A user who sees every level."""
        self._number += 1
        return self._insert(USER, f"somebody-{self._number}", "2026-01-01" if banned else None)

    def contest(
        self,
        entries: int = 6,
        *,
        name: str = "Crucible of tests",
        status: str = "Active",
        starts: float = -60,
        ends: float = 3600,
        video: str | None = None,
    ) -> Contest:
        """A crucible with so many entries; with ``video`` the images are videos of that name."""
        crucible = self._insert(CRUCIBLE, self.owner, name, status, starts, ends)
        images = {}
        for _ in range(entries):
            self._number += 1
            kind = "video" if video else "image"
            image = self._insert(IMAGE, self.owner, video or f"image-{self._number}", kind)
            images[self._insert(ENTRY, crucible, self.owner, image)] = image
        return Contest(crucible, tuple(images), images)

    def comment(self, image: int, *texts: str) -> None:
        """Comments, the first with the most reactions."""
        self._connection.execute(THREAD, (image,))
        for at, text in enumerate(texts):
            self._connection.execute(COMMENT, (text, self.owner, len(texts) - at, image))

    def url(self, image: int) -> str:
        """What the site calls an image."""
        row = self._connection.execute('SELECT url FROM "Image" WHERE id = %s', (image,)).fetchone()
        assert row
        return str(row[0])

    def _insert(self, statement: str, *values: object) -> int:
        row = self._connection.execute(statement, values).fetchone()  # type: ignore[arg-type]
        assert row
        return int(row[0])
