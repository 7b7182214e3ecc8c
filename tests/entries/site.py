"""A site with crucibles, images and entries in a real PostgreSQL, and everything that decides about them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from watcher.buzz.port import Buzz
from watcher.entries.decider import Decider
from watcher.entries.fee_executor import FeeExecutor
from watcher.entries.watch_entries import WatchEntries
from watcher.model.entry_decision import FeePolicy
from watcher.model.errors import TemporaryError
from watcher.outbox.dispatcher import Dispatcher
from watcher.postgres.session import Session

OpenSession = Callable[[], AbstractContextManager[Session]]


@dataclass
class Heard:
    """An observer that keeps what it hears."""

    verdicts: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    taking_part: list[tuple[int, int, int]] = field(default_factory=list)
    waits: tuple[int, float] = (0, 0.0)
    steps: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def decided(self, state: Any, reasons: Any, entries: int) -> None:
        self.verdicts += [(state.value, tuple(reason.value for reason in reasons))] * entries

    def admitted(self, entries: Any) -> None:
        self.taking_part.extend(entries)

    def waiting(self, entries: int, oldest_seconds: float) -> None:
        self.waits = entries, oldest_seconds

    def dispatched(self, row: Any, step: Any) -> None:
        self.steps.append((row.key, step.state.value))

    def away(self, error: TemporaryError) -> None:
        self.faults.append(str(error))


def carry_out(dispatcher: Dispatcher) -> None:
    """Have everything done that is due, and give the connection back."""
    try:
        while dispatcher.turn() == 0.0:
            pass
    finally:
        dispatcher.end()


class Site:
    """The site's administrator, and its users.

    Args:
        admin: an administrator's connection.
        open_session: connects as the watcher's role.
        schema: the watcher's own.
        buzz: the books.
    """

    def __init__(self, admin: psycopg.Connection[Any], open_session: OpenSession, schema: str, buzz: Buzz) -> None:
        self.admin, self.open_session, self.schema, self.buzz = admin, open_session, schema, buzz
        self.heard = Heard()

    def one(self, query: str, *values: Any) -> Any:
        """The first column of the first row."""
        row = self.admin.execute(query.replace("SCHEMA", self.schema), values).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        return self.admin.execute(query.replace("SCHEMA", self.schema), values).fetchall()  # type: ignore[arg-type]

    def run(self, query: str, *values: Any) -> None:
        """Run a statement of the site's."""
        self.admin.execute(query.replace("SCHEMA", self.schema), values)  # type: ignore[arg-type]

    def user(self) -> int:
        """A new user."""
        return int(self.one('INSERT INTO "User" DEFAULT VALUES RETURNING id'))

    def crucible(self, **columns: Any) -> int:
        """A new crucible: active, of all levels, without a fee, of one entry a user."""
        values = {
            "userId": self.user(), "name": "Autumn light", "nsfwLevel": 31, "status": "Active", "entryLimit": 1,
            **columns,
        }  # fmt: skip
        names = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(["%s"] * len(values))
        insert = f'INSERT INTO "Crucible" ({names}, "updatedAt") VALUES ({places}, now()) RETURNING id'  # noqa: S608
        return int(self.one(insert, *values.values()))

    def image(self, user: int, level: int = 1, ingestion: str = "Scanned", resources: Sequence[int] = ()) -> int:
        """A new image."""
        image = int(
            self.one(
                """INSERT INTO "Image" ("userId", url, "nsfwLevel", ingestion, "updatedAt")
                   VALUES (%s, 'x', %s, %s, now()) RETURNING id""",
                user, level, ingestion,
            )
        )  # fmt: skip
        for version in resources:
            self.run("INSERT INTO \"ModelVersion\" (id, name) VALUES (%s, 'm') ON CONFLICT DO NOTHING", version)
            self.run('INSERT INTO "ImageResourceNew" ("imageId", "modelVersionId") VALUES (%s, %s)', image, version)
        return image

    def enter(self, crucible: int, user: int | None = None, image: int | None = None, **columns: Any) -> int:
        """A new entry, of a new user with a new image if none are named."""
        user = user or self.user()
        values = {"crucibleId": crucible, "userId": user, "imageId": image or self.image(user), **columns}
        names = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(["%s"] * len(values))
        insert = f'INSERT INTO "CrucibleEntry" ({names}) VALUES ({places}) RETURNING id'  # noqa: S608
        return int(self.one(insert, *values.values()))

    def verdict(self, entry: int) -> tuple[str, list[str], int] | None:
        """What is written of an entry: verdict, reasons, fee."""
        rows = self.all("SELECT verdict, reasons, fee FROM SCHEMA.entry_verdict WHERE entry_id = %s", entry)
        return rows[0] if rows else None

    def watch(
        self, policy: FeePolicy | None = None, voted: Sequence[int] = (), sweep_seconds: float = 0.0
    ) -> WatchEntries:
        """What decides in the watch role; each turn is the caller's."""
        decider = Decider(policy or FeePolicy(), "watch", lambda _, entries: set(entries) & set(voted))
        return WatchEntries(self.open_session, decider, self.heard, sweep_seconds, unhurried_seconds=0.0)

    def decide(self, policy: FeePolicy | None = None, voted: Sequence[int] = ()) -> None:
        """One sweep."""
        watch = self.watch(policy, voted)
        try:
            watch.turn()
        finally:
            watch.end()

    def dispatcher(self, owner: str = "test") -> Dispatcher:
        """What carries out the outbox in the settle role."""
        executor = FeeExecutor(self.buzz, self.open_session, Decider(FeePolicy(), "settle"))
        return Dispatcher(self.open_session, executor, self.heard, owner, spread=lambda: 0.0)

    def settle(self) -> None:
        """Carry out everything that is due."""
        carry_out(self.dispatcher())
