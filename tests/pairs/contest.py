"""A crucible both in PostgreSQL and in Redis, as the change stream would have brought it there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import redis

from tests.contract.redis.rows import apply, folded, state
from watcher.model.effects import EntryState
from watcher.model.row_state import RowStates
from watcher.redis import keys

CRUCIBLE = 42


@dataclass
class Contest:
    """Crucible 42, active, for all levels."""

    site: psycopg.Connection[Any]
    raw: redis.Redis

    def open(self, level: int = 31, status: str = "Active", **columns: Any) -> None:
        """The crucible's row."""
        self.site.execute(
            """INSERT INTO "Crucible" (id, "userId", name, "nsfwLevel", status, "updatedAt")
               VALUES (%s, 1, 'c', %s, %s, now())
               ON CONFLICT (id) DO UPDATE SET "nsfwLevel" = excluded."nsfwLevel", status = excluded.status""",
            [CRUCIBLE, level, status],
        )
        given = {"start_at": None, "end_at": None, **columns}
        apply(self.raw, [(1, state(CRUCIBLE, status, nsfw_level=level, **given))])

    def enter(self, images: Mapping[int, int], *, user: int = 1, shown: bool = True) -> RowStates:
        """Entries, by id, with their images. Not ``shown``: the change stream has not brought them yet."""
        effects = []
        for entry, image in images.items():
            self.site.execute(
                'INSERT INTO "CrucibleEntry" (id, "crucibleId", "userId", "imageId") VALUES (%s, %s, %s, %s)',
                [entry, CRUCIBLE, user, image],
            )
            effects.append((2, EntryState(CRUCIBLE, entry, user, image, entry)))
        if shown:
            apply(self.raw, effects)
        return folded(effects)

    def image(self, image_id: int, **columns: Any) -> None:
        """Change an image, as the site's moderation would."""
        names = ", ".join(f'"{name}" = %s' for name in columns)
        self.site.execute(f'UPDATE "Image" SET {names} WHERE id = %s', [*columns.values(), image_id])  # type: ignore[arg-type] # noqa: S608

    def admitted(self) -> dict[int, int]:
        """Entry -> level, as Redis has it."""
        return {int(entry): int(level) for entry, level in self.raw.hgetall(keys.admitted(CRUCIBLE)).items()}  # type: ignore[union-attr]
