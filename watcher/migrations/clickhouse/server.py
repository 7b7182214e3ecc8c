"""One run of the migrations against one ClickHouse: client, deployment, clock, and who is inserting right now."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, ProgrammingError

from watcher.clickhouse.pinned_settings import ADVICE, PinnedSettingError
from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.lock import LineListener
from watcher.model.words import counted

POLL_SECONDS: Final = 0.1
"""Seconds between two looks at what is running."""
_SLACK_MS: Final = 50
"""Milliseconds by which a statement may have begun before the list of running statements says so."""

_UNKNOWN_TABLE: Final = 60


def not_asked() -> None:
    """Do nothing: nobody else migrates here."""


@dataclass(frozen=True, slots=True)
class Server:
    """The ClickHouse that is migrated, with what every step needs.

    Args:
        client: a client without a session, in the database to migrate.
        deployment: what kind of ClickHouse it talks to.
        progress: is told, in a line a time, what is going on.
        margin: seconds from making a view until its boundary. Too short for a busy server is noticed and doubled.
        held: is asked before each change; raises when another run may have begun.
    """

    client: Client
    deployment: Deployment
    progress: LineListener
    margin: float = 5.0
    held: Callable[[], None] = not_asked

    @property
    def database(self) -> str:
        """Return the database to migrate; a client that was given none has the server's default without knowing it."""
        return str(self.client.database or self.ask(queries()["current_database"])[0][0])

    def render(self, text: str, **more: str) -> str:
        """Return SQL of a migration for this deployment and database."""
        database = {"database": self.database} if "@database" in text else {}
        return self.deployment.render(text, database | more)

    def run(self, text: str, **more: str) -> None:
        """Run a statement of a migration, and wait until every replica has it."""
        self.change(self.render(text, **more), {"alter_sync": 2, "mutations_sync": 2})

    def change(self, text: str, settings: dict[str, Any], **parameters: Any) -> None:
        """Run a statement that changes something, as long as no other run may do the same.

        Raises:
            LockLostError: one may.
            PinnedSettingError: the user's profile keeps the statement from having its settings.
        """
        self.held()
        try:
            self.client.command(text, parameters=parameters or None, settings={**settings, "log_comment": self._mark})
        except ProgrammingError as error:  # the driver's, of a setting that the server keeps as it is
            raise PinnedSettingError(f"clickhouse: {error}. {ADVICE}") from error

    @property
    def _mark(self) -> str:
        """Return what marks the changes of this database's migrations in the server's list of running statements."""
        return f"crucible migrate {self.database}"

    def ask(self, text: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows that this server answers with."""
        return [tuple(row) for row in self.client.query(text, parameters=parameters or None).result_rows]

    def number(self, text: str, **parameters: Any) -> int:
        """Return the one number that this server answers with."""
        return int(self.ask(text, **parameters)[0][0])

    def exists(self, table: str) -> bool:
        """Return whether this server has a table."""
        return bool(self.number(self.render(queries()["table_exists"], table=table)))

    def clock(self) -> tuple[int, int]:
        """Return the earliest and the latest time that any server shows, in milliseconds since 1970."""
        low, high = self.ask(self.render(queries()["clocks"]))[0]
        return int(low), int(high)

    def wait_until(self, moment: int) -> None:
        """Wait until every server's clock is past a moment, in milliseconds since 1970."""
        while (now := self.clock()[0]) <= moment:
            time.sleep(min(POLL_SECONDS, (moment - now) / 1000 + 0.001))

    def wait_for_an_earlier_run(self) -> None:
        """Wait until no change is under way that a run began which is no more: a statement outlives who sent it.

        Statements that a cluster has queued and not begun are not seen.
        """
        running = self.render(queries()["statements_of_migrations"])
        told = False
        while self.number(running, mark=self._mark):
            if not told:
                self.progress(
                    "waiting for the last statement of an earlier run: see system.processes, where Settings has the "
                    f"log_comment {self._mark!r}"
                )
                told = True
            time.sleep(POLL_SECONDS)

    def wait_for_inserts_before(self, moment: int, table: str) -> None:
        """Wait until no INSERT runs that began before a moment and may write to a table."""
        told = False
        while running := self._inserts_before(moment, table):
            if not told:
                self.progress(f"{table}: waiting for {counted(running, 'insert')} that began before")
                told = True
            time.sleep(POLL_SECONDS)

    def _inserts_before(self, moment: int, table: str) -> int:
        return self.number(
            self.render(queries()["inserts_before"]),
            names=[table, *(name for _, name in self._doors_to(table))],
            slack=_SLACK_MS,
            moment=moment,
        )

    def _doors_to(self, table: str, engines: tuple[str, ...] = ("Buffer", "Distributed")) -> list[tuple[str, str]]:
        """Return the tables that only hand rows on to a table."""
        rows = self.ask(
            queries()["doors_to_table"],
            engines=list(engines),
            names=[f", {table},", f"'{table}'", f"`{table}`", f", {table})"],
        )
        return [(str(database), str(name)) for database, name in rows]

    def flush(self, table: str) -> None:
        """Bring rows that wait in Buffer tables into the table, and wait for a flush that is under way.

        Asynchronous inserts need none of this: their rows get their stamp when they leave the queue.
        """
        for database, name in self._doors_to(table, ("Buffer",)):
            try:
                self.run(queries()["flush_buffer"], table=f"`{database}`.`{name}`")
            except DatabaseError as error:
                # Of another database, perhaps, whose migration has just replaced it; dropping one flushes it.
                if error.code != _UNKNOWN_TABLE:
                    raise

    def catch_up(self, table: str) -> None:
        """On a cluster, have this replica read what the others have written."""
        if self.deployment.kind != "single":
            self.client.command(self.render(queries()["sync_replica"], table=table))
