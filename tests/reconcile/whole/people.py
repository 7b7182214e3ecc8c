"""People of the site, while something is done to the way between the stores: rows come, move and go, votes are cast."""

from __future__ import annotations

import threading
from random import Random
from typing import TYPE_CHECKING, Any, Self

import psycopg

if TYPE_CHECKING:
    from types import TracebackType

    from demo.program import OwnProgram

PAUSE_SECONDS = 0.06
"""Between two changes: some fifteen a second."""
STARTING_SECONDS = 60.0
LEAVING_SECONDS = 60.0

PEOPLE = """INSERT INTO "User" (username, "browsingLevel", "showNsfw") SELECT 'user-' || n, 31, true
FROM generate_series(1, 40) n"""
IMAGES = """INSERT INTO "Image" ("userId", url, width, height, "nsfwLevel", ingestion, "updatedAt")
SELECT 1 + n % 40, 'image-' || n, 640, 480, 1, 'Scanned', now() FROM generate_series(1, 400) n"""
OPEN = """INSERT INTO "Crucible" ("userId", name, "nsfwLevel", status, "entryLimit", "startAt", "endAt", "updatedAt")
SELECT 1 + floor(random() * 40)::int, %s, 31, 'Active', 1000000,
       now() AT TIME ZONE 'UTC' - interval '1 hour', now() AT TIME ZONE 'UTC' + interval '2 days', now() RETURNING id"""
STANDING, PASSING = "standing", "passing"
"""Names of crucibles that nobody deletes, and of those that come and go."""
DISCUSS = 'INSERT INTO "Thread" ("crucibleId") SELECT id FROM "Crucible" ON CONFLICT DO NOTHING'
ENTER = """INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId")
SELECT %s, 1, 1 + n %% 400 FROM generate_series(1, %s) n RETURNING id"""
"""Entries of user 1, which nobody else touches."""

_ENTERS = """INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId")
SELECT crucible.id, image."userId", image.id
FROM (SELECT id FROM "Crucible" ORDER BY random() LIMIT 1) crucible,
     (SELECT id, "userId" FROM "Image" WHERE "userId" > 1 ORDER BY random() LIMIT 1) image"""
_LEAVES = """DELETE FROM "CrucibleEntry"
WHERE id = (SELECT id FROM "CrucibleEntry" WHERE "userId" > 1 ORDER BY random() LIMIT 1)"""
_MOVES = """UPDATE "CrucibleEntry" SET "crucibleId" = (SELECT id FROM "Crucible" ORDER BY random() LIMIT 1)
WHERE id = (SELECT id FROM "CrucibleEntry" WHERE "userId" > 1 ORDER BY random() LIMIT 1)"""
_HANDS_OVER = """UPDATE "Crucible" SET "userId" = 1 + floor(random() * 40)::int
WHERE id = (SELECT id FROM "Crucible" ORDER BY random() LIMIT 1)"""
_OPENS = OPEN.replace("%s", f"'{PASSING}'")
_CLOSES = """DELETE FROM "Crucible" WHERE id = (SELECT min(id) FROM "Crucible" WHERE name = 'passing')"""
_SAYS = """INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt") SELECT 'light', 2, id, now()
FROM (SELECT id FROM "Thread" WHERE "crucibleId" IS NOT NULL ORDER BY random() LIMIT 1) thread"""
_UNSAYS = 'DELETE FROM "CommentV2" WHERE id = (SELECT id FROM "CommentV2" ORDER BY random() LIMIT 1)'
CHANGES = {_ENTERS: 8, _LEAVES: 4, _MOVES: 2, _HANDS_OVER: 1, _OPENS: 1, _CLOSES: 1, _SAYS: 3, _UNSAYS: 2, DISCUSS: 1}
"""What people do, and how often."""


class People:
    """Changes of rows in a thread, and judges in a process of their own, for the length of a block.

    Args:
        dsn: of the site's database, as its owner.
        judges: not started; None: nobody votes.
    """

    def __init__(self, dsn: str, judges: OwnProgram | None) -> None:
        self._dsn, self._judges = dsn, judges
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="people")
        self.changes = 0
        """Statements that were committed."""
        self.refused = ""
        """What the database said last when it refused one."""

    def __enter__(self) -> Self:
        self._thread.start()
        if self._judges is not None:
            self._judges.start()
            self._judges.await_word(STARTING_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if self._judges is not None:
            self._judges.stop(LEAVING_SECONDS)

    def _live(self) -> None:
        chance = Random(5)
        connection: psycopg.Connection[Any] | None = None
        while not self._over.wait(PAUSE_SECONDS):
            (change,) = chance.choices(list(CHANGES), list(CHANGES.values()))
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(self._dsn, autocommit=True)
                connection.execute(change)
                self.changes += 1
            except psycopg.Error as error:  # the table is being harmed, or its server is away: that is what tests do
                self.refused = str(error)
        if connection is not None:
            connection.close()
