"""``crucible migrate``: ClickHouse's tables and views, and the watcher's own tables in PostgreSQL."""

from functools import partial

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, note, print_columns, print_json

app = typer.Typer(
    no_args_is_help=True,
    help="""Create and change ClickHouse's tables and views.

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
    from watcher.migrations import migrate  # noqa: PLC0415
    from watcher.migrations.client import migration_client  # noqa: PLC0415
    from watcher.migrations.lock import alone  # noqa: PLC0415
    from watcher.postgres.own.schema import ensure  # noqa: PLC0415

    settings = load()
    connect, made_for = partial(connect_clickhouse_as_it_is, settings), deployment(settings)
    if dry_run:
        with migration_client(connect) as client:
            pending = migrate.pending(client, made_for)
        if as_json:
            print_json([{"version": one.version, "name": one.name} for one in pending])
        elif pending:
            typer.echo(migrate.script(made_for, settings.clickhouse.database, pending), nl=False)
        else:
            note("nothing to do: every migration is applied")
        return
    dsn, schema = settings.postgres.dsn.get_secret_value(), settings.postgres.watcher_schema
    timeout = settings.postgres.timeout
    with (
        alone(dsn, schema, settings.clickhouse.database, timeout, note) as held,
        migration_client(connect) as client,
    ):
        ensure(dsn, schema, timeout)
        applied = migrate.up(client, made_for, progress=note, held=held)
    if as_json:
        print_json([{"version": one.version, "name": one.name, "applied_at": one.applied_at} for one in applied])
    elif applied:
        note(f"applied {len(applied)} migrations")
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
    from watcher.migrations import migrate  # noqa: PLC0415
    from watcher.migrations.client import migration_client  # noqa: PLC0415

    settings = load()
    with migration_client(partial(connect_clickhouse_as_it_is, settings)) as client:
        standing = migrate.status(client, deployment(settings))
    if as_json:
        print_json(
            [
                {"version": one.version, "name": one.name, "state": one.state.value, "applied_at": one.applied_at}
                for one in standing
            ]
        )
    else:
        rows = [
            (f"{one.version:04d}", one.name, one.state.value, one.applied_at.isoformat() if one.applied_at else "-")
            for one in standing
        ]
        print_columns(("version", "name", "state", "applied"), rows)
    if any(one.state in (migrate.State.PENDING, migrate.State.CHANGED) for one in standing):
        raise typer.Exit(FAILED)
