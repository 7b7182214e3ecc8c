"""``crucible migrate``: ClickHouse's tables and views, and the watcher's own tables in PostgreSQL."""

from functools import partial
from typing import TYPE_CHECKING

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, note, print_columns, print_json
from watcher.telemetry.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.sql_files import Applied, Migration

app = typer.Typer(
    no_args_is_help=True,
    help="""Create and change ClickHouse's tables and views, and the watcher's own tables in PostgreSQL.

The same files serve one server, a replicated cluster and ClickHouse Cloud: see clickhouse.deployment. They go over
tables that a site already has, while it writes, and may be run again at any time.
""",
)


@app.command()
def up(
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Apply what is pending; progress goes to standard error.

    Waits for other runs, by a lock in PostgreSQL; may be ended and run again at any point.

    Examples:

      crucible migrate up

      crucible migrate up --dry-run > review.sql
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import connect_clickhouse_as_it_is, deployment  # noqa: PLC0415
    from watcher.migrations.clickhouse import migrate as clickhouse  # noqa: PLC0415
    from watcher.migrations.clickhouse.client import migration_client  # noqa: PLC0415
    from watcher.migrations.lock import alone  # noqa: PLC0415
    from watcher.migrations.postgres import migrate as postgres  # noqa: PLC0415
    from watcher.postgres.session import open_session  # noqa: PLC0415

    settings = load()
    connect, made_for = partial(connect_clickhouse_as_it_is, settings), deployment(settings)
    dsn, schema = settings.postgres.dsn.get_secret_value(), settings.postgres.watcher_schema
    timeout = settings.postgres.timeout
    if dry_run:
        with open_session(dsn, schema, timeout) as session, migration_client(connect) as client:
            own, pending = postgres.pending(session), clickhouse.pending(client, made_for)
        if as_json:
            print_json([*_named("postgres", own), *_named("clickhouse", pending)])
        elif own or pending:
            typer.echo(postgres.script(schema, own), nl=False)
            typer.echo(clickhouse.script(made_for, settings.clickhouse.database, pending), nl=False)
        else:
            note("nothing to do: every migration is applied")
        return
    with (
        alone(dsn, schema, settings.clickhouse.database, timeout, note) as held,
        migration_client(connect) as client,
    ):
        done = postgres.ensure(dsn, schema, timeout)
        for one in done:
            note(f"postgres {one}")
        applied = clickhouse.up(client, made_for, progress=note, held=held)
    if as_json:
        print_json([*_applied("postgres", done), *_applied("clickhouse", applied)])
    elif done or applied:
        note(f"applied {counted(len(done) + len(applied), 'migration')}")
    else:
        note("nothing to do: every migration is applied")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show every migration and how it stands; exit with 1 unless all are applied.

    Example:

      crucible migrate status
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import connect_clickhouse_as_it_is, deployment  # noqa: PLC0415
    from watcher.migrations.clickhouse import migrate as clickhouse  # noqa: PLC0415
    from watcher.migrations.clickhouse.client import migration_client  # noqa: PLC0415
    from watcher.migrations.ledger import MigrationState  # noqa: PLC0415
    from watcher.migrations.postgres import migrate as postgres  # noqa: PLC0415
    from watcher.postgres.session import open_session  # noqa: PLC0415

    settings = load()
    server = settings.postgres
    with (
        open_session(server.dsn.get_secret_value(), server.watcher_schema, server.timeout) as session,
        migration_client(partial(connect_clickhouse_as_it_is, settings)) as client,
    ):
        standing = [
            *(("postgres", one) for one in postgres.status(session)),
            *(("clickhouse", one) for one in clickhouse.status(client, deployment(settings))),
        ]
    if as_json:
        print_json(
            [
                {
                    "store": store,
                    "version": one.version,
                    "name": one.name,
                    "state": one.state.value,
                    "applied_at": one.applied_at,
                }
                for store, one in standing
            ]
        )
    else:
        rows = [
            (
                store,
                f"{one.version:04d}",
                one.name,
                one.state.value,
                one.applied_at.isoformat(timespec="milliseconds") if one.applied_at else "-",
            )
            for store, one in standing
        ]
        print_columns(("store", "version", "name", "state", "applied"), rows)
    if any(one.state in (MigrationState.PENDING, MigrationState.CHANGED) for _, one in standing):
        raise typer.Exit(FAILED)


def _named(store: str, pending: "Iterable[Migration]") -> list[dict[str, object]]:
    return [{"store": store, "version": one.version, "name": one.name} for one in pending]


def _applied(store: str, applied: "Iterable[Applied]") -> list[dict[str, object]]:
    return [{"store": store, "version": one.version, "name": one.name, "applied_at": one.applied_at} for one in applied]
