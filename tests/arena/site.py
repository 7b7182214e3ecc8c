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
DISCUSSION = 'INSERT INTO "Thread" ("crucibleId") VALUES (%s) ON CONFLICT DO NOTHING'
REMARK = """
INSERT INTO "CommentV2" (content, "userId", "threadId", "reactionCount", "updatedAt")
SELECT %s, %s, id, %s, now() FROM "Thread" WHERE "crucibleId" = %s
"""
VERDICT = """
INSERT INTO crucible_watcher.entry_verdict AS there
       (entry_id, crucible_id, user_id, image_id, verdict, reasons, entered_at)
SELECT id, "crucibleId", "userId", "imageId", %s, %s, "createdAt" FROM "CrucibleEntry" WHERE id = %s
ON CONFLICT (entry_id) DO UPDATE SET verdict = excluded.verdict, reasons = excluded.reasons
"""
FREEZE = """
INSERT INTO crucible_watcher.settlement (crucible_id, state, name, creator_id, frozen_at) VALUES (%s, %s, 'x', 1, now())
ON CONFLICT (crucible_id) DO UPDATE SET state = excluded.state
"""
SCORE = 'UPDATE "CrucibleEntry" SET position = %s, score = %s, "voteCount" = 2 WHERE id = %s'
PRIZE = "INSERT INTO crucible_watcher.settlement_prize VALUES (%s, %s, %s, %s, %s)"
SETTLE = """
UPDATE crucible_watcher.settlement
   SET state = 'paying', settled_at = now(), digest = %s, votes = 1234, pool = %s, paid = %s, remainder = 1
 WHERE crucible_id = %s
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

    def discuss(self, crucible: int, *texts: str) -> None:
        """Comments on a crucible, the first with the most reactions."""
        self._connection.execute(DISCUSSION, (crucible,))
        for at, text in enumerate(texts):
            self._connection.execute(REMARK, (text, self.owner, len(texts) - at, crucible))

    def enter(self, contest: Contest, user: int) -> int:
        """An entry of a user, of which nothing is decided; the page's crucible does not know it."""
        self._number += 1
        return self._insert(ENTRY, contest.id, user, self._insert(IMAGE, user, f"image-{self._number}", "image"))

    def decide(self, entry: int, verdict: str, *reasons: str) -> None:
        """Write a verdict as the watch role does."""
        self._connection.execute(VERDICT, (verdict, list(reasons), entry))

    def freeze(self, contest: Contest, state: str) -> None:
        """Write how far the end of a crucible is, as the role that settles does."""
        self._connection.execute(FREEZE, (contest.id, state))

    def settle(self, contest: Contest, *prizes: int) -> None:
        """Write a result: the entries in their order, the first of them with these prizes."""
        pool = sum(prizes) + 1
        for place, entry in enumerate(contest.entries, 1):
            score = 1_600 - place
            self._connection.execute(SCORE, (place, score, entry))
            if place <= len(prizes):
                self._connection.execute(PRIZE, (contest.id, place, entry, self.owner, prizes[place - 1]))
        self._connection.execute(SETTLE, ("ab" * 32, pool, pool - 1, contest.id))
        self._connection.execute("UPDATE \"Crucible\" SET status = 'Completed' WHERE id = %s", (contest.id,))

    def url(self, image: int) -> str:
        """What the site calls an image."""
        row = self._connection.execute('SELECT url FROM "Image" WHERE id = %s', (image,)).fetchone()
        assert row
        return str(row[0])

    def _insert(self, statement: str, *values: object) -> int:
        row = self._connection.execute(statement, values).fetchone()  # type: ignore[arg-type]
        assert row
        return int(row[0])
