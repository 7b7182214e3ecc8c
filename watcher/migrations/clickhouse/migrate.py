"""Brings ClickHouse's schema to where this version needs it.

Safe to run twice, over tables that a site already has, and again after a kill at any point: every statement may run
twice, and a migration is recorded when all of it is done. Of two processes at once one waits: see `migrations/lock.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import assert_never

from clickhouse_connect.driver.client import Client

import clickhouse_sql
from watcher.clickhouse.queries import queries
from watcher.migrations import ledger
from watcher.migrations.clickhouse.buffer import make_buffer
from watcher.migrations.clickhouse.contents import rows_before, rows_from
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.clickhouse.record import MigrationRecord
from watcher.migrations.clickhouse.server import Server, not_asked
from watcher.migrations.clickhouse.stamp import add_stamp
from watcher.migrations.clickhouse.steps import BufferTable, MigrationStep, RepeatableSql, Stamp, View, read_steps
from watcher.migrations.clickhouse.views import make_view
from watcher.migrations.ledger import MigrationStatus
from watcher.migrations.lock import LineListener
from watcher.sql_files import Applied, Migration, numbered_migrations


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations, in the order in which they apply."""
    return numbered_migrations(clickhouse_sql.MIGRATIONS)


def made_views() -> Iterator[View]:
    """Yield the materialized views that the migrations make, each with the table that it fills."""
    for migration in migrations():
        yield from (step for step in read_steps(migration.text) if isinstance(step, View))


def silent(line: str) -> None:
    """Do nothing with a line of progress."""


def up(
    client: Client,
    deployment: Deployment,
    *,
    progress: LineListener = silent,
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
    server = Server(client, deployment, progress, margin, held)
    server.wait_for_an_earlier_run()
    record = MigrationRecord(server)
    record.ensure()
    applied: list[Applied] = []
    for migration in pending(client, deployment):
        progress(f"clickhouse {migration}")
        for step in read_steps(migration.text):
            _run(server, record, step)
        applied.append(record.add(migration))
    return applied


def pending(client: Client, deployment: Deployment) -> list[Migration]:
    """Return what is still to be applied, in order.

    Raises:
        MigrationError: an applied migration's file was changed.
    """
    return ledger.still_pending("clickhouse", migrations(), _record(client, deployment).applied())


def status(client: Client, deployment: Deployment) -> list[MigrationStatus]:
    """Return every migration and how it stands, in order."""
    return ledger.standing(migrations(), _record(client, deployment).applied())


def _record(client: Client, deployment: Deployment) -> MigrationRecord:
    return MigrationRecord(Server(client, deployment, silent))


def script(deployment: Deployment, database: str, which: list[Migration] | None = None) -> str:
    """Return the SQL of migrations as this deployment gets it, to be read; a view's boundary is written as a word."""
    return "\n".join(
        line
        for migration in (migrations() if which is None else which)
        for line in _script(deployment, database, migration)
    )


def _script(deployment: Deployment, database: str, migration: Migration) -> Iterator[str]:
    yield f"-- clickhouse {migration}\n"
    for step in read_steps(migration.text):
        for text in _texts(step, deployment, {"database": database}):
            yield f"{text};\n"


def _texts(step: MigrationStep, deployment: Deployment, words: Mapping[str, str]) -> Iterator[str]:
    """Yield the statements of a step as this deployment gets them; ``words`` fill what depends on the database."""

    def render(text: str, **more: str) -> str:
        return deployment.render(text, {**words, **more})

    match step:
        case RepeatableSql(texts):
            yield from map(render, texts)
        case Stamp(table, column):
            for name in ("add_stamp", "write_stamp", "start_stamp"):
                yield render(queries()[name], table=table, column=column)
        case BufferTable(name, _, create):
            yield render(create, buffer=name)
        case View():
            yield render(step.create_target)
            later, before = (rows(deployment, step, "BOUNDARY") for rows in (rows_from, rows_before))
            selected = render(step.select, rows=later, bucket="toUInt16(0)")
            view = {"view": step.name, "target": step.target, "boundary": "BOUNDARY"}
            yield render(queries()["create_view"], selected=selected, **view)
            selected = render(step.select, rows=before, bucket="toUInt16(BUCKET)")
            yield render(queries()["fill_view"], target=step.target, selected=selected)
            yield render(step.create_reader)
        case _:
            assert_never(step)


def _run(server: Server, record: MigrationRecord, step: MigrationStep) -> None:
    match step:
        case RepeatableSql(texts):
            for text in texts:
                server.run(text)
        case Stamp():
            add_stamp(server, step)
        case BufferTable():
            make_buffer(server, step)
        case View():
            make_view(server, record, step)
        case _:
            assert_never(step)
