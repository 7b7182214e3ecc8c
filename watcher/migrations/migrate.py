"""Bring ClickHouse's schema to where this version needs it.

Safe to run twice, over tables that a site already has, and again after a kill at any point: every statement may run
twice, and a migration is recorded when all of it is done. Of two processes at once one waits, in `migrate_lock.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import assert_never

from clickhouse_connect.driver.client import Client

from clickhouse_sql import Migration, migrations
from watcher.migrations.buffer import make_buffer
from watcher.migrations.deployment import Deployment, MigrationError
from watcher.migrations.record import Applied, Record
from watcher.migrations.session import Progress, Session, not_asked
from watcher.migrations.stamp import add_stamp
from watcher.migrations.steps import BufferTable, Stamp, Statements, Step, View, read_steps
from watcher.migrations.views import make_view


class State(Enum):
    """How a migration stands."""

    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed"
    """Applied, and its file has other content now."""
    UNKNOWN = "unknown"
    """Applied by a newer version."""


@dataclass(frozen=True, slots=True)
class Status:
    """One migration and how it stands."""

    version: int
    name: str
    state: State
    applied_at: datetime | None


def _silent(line: str) -> None:
    """Tell nobody."""


def up(
    client: Client,
    deployment: Deployment,
    *,
    progress: Progress = _silent,
    margin: float = 5.0,
    held: Callable[[], None] = not_asked,
) -> list[Applied]:
    """Apply what is pending, in order.

    Args:
        client: a client without a session, in the database to migrate.
        deployment: what kind of ClickHouse this is.
        progress: is told, a line a time, what is going on.
        margin: seconds that a new view over a table with rows waits at least.
        held: is asked before each change; raises when another run may have begun. Without it, that there is none is on
            the caller.

    Returns:
        What was applied by this call.

    Raises:
        MigrationError: an applied migration's file was changed, a step cannot be done, or the lock was lost.
    """
    session = Session(client, deployment, progress, margin, held)
    session.wait_for_an_earlier_run()
    record = Record(session)
    record.ensure()
    applied: list[Applied] = []
    for migration in pending(client, deployment):
        progress(f"{migration.version:04d} {migration.name}")
        for step in read_steps(migration.text):
            _run(session, record, step)
        applied.append(record.add(migration))
    return applied


def pending(client: Client, deployment: Deployment) -> list[Migration]:
    """What is still to be applied.

    Raises:
        MigrationError: an applied migration's file was changed.
    """
    known = {migration.version: migration for migration in migrations()}
    standing = status(client, deployment)
    for one in standing:
        if one.state is State.CHANGED:
            raise MigrationError(
                f"migration {one.version:04d}_{one.name} was applied with other content than its file has now. Files "
                "of applied migrations never change: restore it from the release that applied it, and put the change "
                "into a new file"
            )
    return [known[one.version] for one in standing if one.state is State.PENDING]


def status(client: Client, deployment: Deployment) -> list[Status]:
    """Every migration and how it stands, in order."""
    applied = Record(Session(client, deployment, _silent)).applied()
    return list(_compare(migrations(), applied))


def _compare(known: tuple[Migration, ...], applied: dict[int, Applied]) -> Iterator[Status]:
    for migration in known:
        done = applied.get(migration.version)
        if done is None:
            yield Status(migration.version, migration.name, State.PENDING, None)
        else:
            state = State.APPLIED if done.checksum == migration.checksum else State.CHANGED
            yield Status(migration.version, migration.name, state, done.applied_at)
    newest = max((migration.version for migration in known), default=0)
    for version, done in sorted(applied.items()):
        if version > newest:
            yield Status(version, done.name, State.UNKNOWN, done.applied_at)


def script(deployment: Deployment, database: str, which: list[Migration] | None = None) -> str:
    """The SQL of migrations as this deployment gets it, to be read; a view's boundary is written as a word."""
    return "\n".join(
        line
        for migration in (migrations() if which is None else which)
        for line in _script(deployment, database, migration)
    )


def _script(deployment: Deployment, database: str, migration: Migration) -> Iterator[str]:
    yield f"-- {migration.version:04d}_{migration.name}\n"
    for step in read_steps(migration.text):
        for text in _texts(step):
            yield deployment.render(text, {"database": database, "bucket": "toUInt16(0)"}) + ";\n"


def _texts(step: Step) -> Iterator[str]:
    match step:
        case Statements(texts):
            yield from texts
        case Stamp(table, column):
            alter, stamp = f"ALTER TABLE {table} @on_cluster", f"{column} DateTime64(3) DEFAULT"
            yield f"{alter} ADD COLUMN IF NOT EXISTS {stamp} toDateTime64(0, 3)"
            yield f"{alter} MATERIALIZE COLUMN {column}"
            yield f"{alter} MODIFY COLUMN {stamp} now64(3)"
        case BufferTable(name, _, create):
            yield create.replace("@buffer", name)
        case View():
            yield step.create_target
            select = step.select.replace("@rows", f"{step.stamp} >= fromUnixTimestamp64Milli(BOUNDARY)")
            yield f"CREATE MATERIALIZED VIEW {step.name} @on_cluster TO {step.target} AS\n{select}"
            fill = step.select.replace("@rows", f"{step.stamp} < fromUnixTimestamp64Milli(BOUNDARY)")
            yield f"INSERT INTO {step.target}\n{fill.replace('@bucket', 'BUCKET')}"
            yield step.create_reader
        case _:
            assert_never(step)


def _run(session: Session, record: Record, step: Step) -> None:
    match step:
        case Statements(texts):
            for text in texts:
                session.run(text)
        case Stamp():
            add_stamp(session, step)
        case BufferTable():
            make_buffer(session, step)
        case View():
            make_view(session, record, step)
        case _:
            assert_never(step)
