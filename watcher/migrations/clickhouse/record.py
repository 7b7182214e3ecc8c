"""Records what was done: which migrations, and how far the fill of each view has come.

Both tables may take a row twice: they keep the latest of each key, and every row says something that stays true.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.server import Server
from watcher.sql_files import Applied, Migration


@dataclass(frozen=True, slots=True)
class Fill:
    """A view whose boundary holds: rows before it are to be filled in, in so many buckets."""

    boundary: int
    buckets: int


class MigrationRecord:
    """What ClickHouse keeps of migrations: those applied, and how far the fill of each view is."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def ensure(self) -> None:
        """Make the tables, if absent."""
        self._server.run(queries()["make_migrations_table"])
        self._server.run(queries()["make_fills_table"])

    def applied(self) -> dict[int, Applied]:
        """Return what was applied, by version; nothing where nothing ever was."""
        if not self._server.exists("crucible_migrations"):
            return {}
        return self._noted()

    def _noted(self) -> dict[int, Applied]:
        rows = self._server.ask(queries()["applied_migrations"])
        return {
            version: Applied(version, name, checksum, datetime.fromtimestamp(at / 1000, UTC))
            for version, name, checksum, at in rows
        }

    def add(self, migration: Migration) -> Applied:
        """Note that a migration was applied."""
        self._server.change(
            queries()["note_migration"],
            {"async_insert": 0},
            version=migration.version,
            name=migration.name,
            checksum=migration.checksum,
        )
        self._server.catch_up("crucible_migrations")
        return self._noted()[migration.version]

    def fill(self, view: str, boundary: int) -> Fill | None:
        """Return the fill of a view with this boundary; None if the boundary was not found to hold."""
        self._server.catch_up("crucible_view_fills")
        rows = self._server.ask(queries()["noted_boundary"], view=view, boundary=boundary)
        return Fill(boundary, rows[0][0]) if rows else None

    def filled(self, view: str, fill: Fill) -> set[int]:
        """Return the numbers of the buckets that are done."""
        self._server.catch_up("crucible_view_fills")
        rows = self._server.ask(queries()["noted_buckets"], view=view, boundary=fill.boundary)
        return {bucket for (bucket,) in rows}

    def note(self, view: str, fill: Fill, bucket: int) -> None:
        """Note that the boundary holds (bucket 0) or that a bucket is done."""
        self._server.change(
            queries()["note_bucket"],
            {"async_insert": 0},
            view=view,
            boundary=fill.boundary,
            bucket=bucket,
            buckets=fill.buckets,
        )
