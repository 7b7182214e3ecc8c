"""What was done: which migrations, and how far the fill of each view has come.

Both tables may take a row twice: they keep the latest of each key, and every row says something that stays true.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from watcher.migrations.clickhouse.server import Server
from watcher.sql_files import Applied, Migration

_TABLES: Final = (
    """
CREATE TABLE IF NOT EXISTS crucible_migrations @on_cluster
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3)
)
ENGINE = @engine(ReplacingMergeTree, applied_at)
ORDER BY version""",
    """
CREATE TABLE IF NOT EXISTS crucible_view_fills @on_cluster
(
    view     String,
    boundary Int64 COMMENT 'rows that came in at this time or later reach the view by themselves; ms since 1970',
    bucket   UInt16 COMMENT '0: the boundary holds; 1 to buckets: this bucket is filled and verified',
    buckets  UInt16,
    at       DateTime64(3)
)
ENGINE = @engine(ReplacingMergeTree, at)
ORDER BY (view, boundary, bucket)""",
)


@dataclass(frozen=True, slots=True)
class Fill:
    """A view whose boundary holds: rows before it are to be filled in, in so many buckets."""

    boundary: int
    buckets: int


class Record:
    """The two tables."""

    def __init__(self, server: Server) -> None:
        self._session = server

    def ensure(self) -> None:
        """Make the tables, if absent."""
        for text in _TABLES:
            self._session.run(text)

    def applied(self) -> dict[int, Applied]:
        """What was applied, by version; nothing where nothing ever was."""
        if not self._session.number("EXISTS TABLE crucible_migrations"):
            return {}
        return self._noted()

    def _noted(self) -> dict[int, Applied]:
        rows = self._session.ask(
            "SELECT version, name, checksum, toUnixTimestamp64Milli(applied_at) FROM crucible_migrations FINAL "
            "ORDER BY version"
        )
        return {
            version: Applied(version, name, checksum, datetime.fromtimestamp(at / 1000, UTC))
            for version, name, checksum, at in rows
        }

    def add(self, migration: Migration) -> Applied:
        """Note that a migration was applied."""
        self._session.change(
            "INSERT INTO crucible_migrations SELECT {version:UInt32}, {name:String}, {checksum:String}, now64(3)",
            {"async_insert": 0},
            version=migration.version,
            name=migration.name,
            checksum=migration.checksum,
        )
        self._session.catch_up("crucible_migrations")
        return self._noted()[migration.version]

    def fill(self, view: str, boundary: int) -> Fill | None:
        """The fill that belongs to a view with this boundary, if it was found to hold."""
        self._session.catch_up("crucible_view_fills")
        rows = self._session.ask(
            "SELECT buckets FROM crucible_view_fills FINAL "
            "WHERE view = {view:String} AND boundary = {boundary:Int64} AND bucket = 0",
            view=view,
            boundary=boundary,
        )
        return Fill(boundary, rows[0][0]) if rows else None

    def filled(self, view: str, fill: Fill) -> set[int]:
        """The buckets that are done."""
        self._session.catch_up("crucible_view_fills")
        rows = self._session.ask(
            "SELECT bucket FROM crucible_view_fills FINAL "
            "WHERE view = {view:String} AND boundary = {boundary:Int64} AND bucket > 0",
            view=view,
            boundary=fill.boundary,
        )
        return {bucket for (bucket,) in rows}

    def note(self, view: str, fill: Fill, bucket: int) -> None:
        """Note that the boundary holds (bucket 0) or that a bucket is done."""
        self._session.change(
            "INSERT INTO crucible_view_fills "
            "SELECT {view:String}, {boundary:Int64}, {bucket:UInt16}, {buckets:UInt16}, now64(3)",
            {"async_insert": 0},
            view=view,
            boundary=fill.boundary,
            bucket=bucket,
            buckets=fill.buckets,
        )
