"""``crucible migrate``: ClickHouse's tables and views, and the watcher's own tables in PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, note, print_columns, print_json

if TYPE_CHECKING:
    from config import ClickHouseSettings
    from watcher.operations.migrate_client import Client
    from watcher.operations.migrate_deployment import Deployment

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
    from watcher.operations import migrate  # noqa: PLC0415
    from watcher.operations.migrate_lock import alone  # noqa: PLC0415
    from watcher.stores.schema import ensure  # noqa: PLC0415

    settings = load()
    deployment = _deployment(settings.clickhouse)
    if dry_run:
        with _client(settings.clickhouse) as client:
            pending = migrate.pending(client, deployment)
        if as_json:
            print_json([{"version": one.version, "name": one.name} for one in pending])
        else:
            typer.echo(migrate.script(deployment, settings.clickhouse.database, pending), nl=False)
        return
    dsn, schema = settings.postgres.dsn.get_secret_value(), settings.postgres.watcher_schema
    timeout = settings.postgres.timeout
    with (
        alone(dsn, schema, settings.clickhouse.database, timeout, note) as held,
        _client(settings.clickhouse) as client,
    ):
        ensure(dsn, schema, timeout)
        applied = migrate.up(client, deployment, progress=note, held=held)
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
    from watcher.operations import migrate  # noqa: PLC0415

    settings = load().clickhouse
    with _client(settings) as client:
        standing = migrate.status(client, _deployment(settings))
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


def _deployment(settings: "ClickHouseSettings") -> "Deployment":
    from watcher.operations.migrate_deployment import Deployment  # noqa: PLC0415

    return Deployment(kind=settings.deployment, cluster=settings.cluster, replica_path=settings.replica_path)


@contextmanager
def _client(settings: "ClickHouseSettings") -> Iterator["Client"]:
    from functools import partial  # noqa: PLC0415

    from watcher.operations.migrate_client import migration_client  # noqa: PLC0415
    from watcher.sinks.clickhouse_client import connect  # noqa: PLC0415

    maker = partial(
        connect,
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=settings.password.get_secret_value(),
        database=settings.database,
        secure=settings.secure,
        timeout=settings.timeout,
    )
    with migration_client(maker) as client:
        yield client
