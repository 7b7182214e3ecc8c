"""``crucible migrate``: ClickHouse's tables and views, and the watcher's own tables in PostgreSQL."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, note, print_columns, print_json
from watcher.model.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config import Settings
    from watcher.migrations.clickhouse.client import Client
    from watcher.migrations.clickhouse.deployment import Deployment
    from watcher.postgres.session import Session
    from watcher.sql_files import Applied, Migration

NOTHING: Final = "nothing to do: every migration is applied"
AFTERWARDS: Final = (
    "What was in tables is gone. Run debezium/postgres/replication.sql and the other files there again, for rights and "
    "publication went with the tables; then `crucible reconcile --fix`"
)

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
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Make anew, empty, what was made and dropped since. Watchers have to stand."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="With --missing: although watchers run, or Kafka does not say whether any does."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Apply what is pending; progress goes to standard error.

    Waits for other runs, by a lock in PostgreSQL; may be ended and run again at any point.

    Examples:

      crucible migrate up

      crucible migrate up --dry-run > review.sql

      crucible migrate up --missing
    """
    from config import load  # noqa: PLC0415

    settings = load()
    if dry_run:
        _show_what_would_run(settings, missing, as_json)
    else:
        _apply(settings, missing, force, as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show every migration and how it stands; exit with 1 unless all are applied and all that they made is there.

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
        gone = _gone(session, client, deployment(settings))
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
    _tell_of(gone, "")
    if gone or any(one.state in (MigrationState.PENDING, MigrationState.CHANGED) for _, one in standing):
        raise typer.Exit(FAILED)


def _show_what_would_run(settings: "Settings", missing: bool, as_json: bool) -> None:
    from watcher.bootstrap.clients import connect_clickhouse_as_it_is, deployment  # noqa: PLC0415
    from watcher.migrations.clickhouse import migrate as clickhouse  # noqa: PLC0415
    from watcher.migrations.clickhouse.client import migration_client  # noqa: PLC0415
    from watcher.migrations.postgres import migrate as postgres  # noqa: PLC0415
    from watcher.postgres.session import open_session  # noqa: PLC0415

    at, made_for = settings.postgres, deployment(settings)
    with (
        open_session(at.dsn.get_secret_value(), at.watcher_schema, at.timeout) as session,
        migration_client(partial(connect_clickhouse_as_it_is, settings)) as client,
    ):
        own, pending = postgres.pending(session), clickhouse.pending(client, made_for)
        gone = _gone(session, client, made_for)
    if as_json:
        print_json([*_named("postgres", own), *_named("clickhouse", pending)])
    elif own or pending:
        typer.echo(postgres.script(at.watcher_schema, own), nl=False)
        typer.echo(clickhouse.script(made_for, settings.clickhouse.database, pending), nl=False)
    elif not gone:
        note(NOTHING)
    _tell_of(gone, "would make anew" if missing else "")


def _apply(settings: "Settings", missing: bool, force: bool, as_json: bool) -> None:
    from watcher.bootstrap.clients import connect_clickhouse_as_it_is, deployment  # noqa: PLC0415
    from watcher.migrations.clickhouse import dropped as clickhouse_dropped  # noqa: PLC0415
    from watcher.migrations.clickhouse import migrate as clickhouse  # noqa: PLC0415
    from watcher.migrations.clickhouse.client import migration_client  # noqa: PLC0415
    from watcher.migrations.clickhouse.server import Server  # noqa: PLC0415
    from watcher.migrations.lock import alone  # noqa: PLC0415
    from watcher.migrations.postgres import dropped as postgres_dropped  # noqa: PLC0415
    from watcher.migrations.postgres import migrate as postgres  # noqa: PLC0415
    from watcher.postgres.session import open_session  # noqa: PLC0415

    at, made_for = settings.postgres, deployment(settings)
    where = at.dsn.get_secret_value(), at.watcher_schema
    anew: list[str] = []
    with (
        alone(*where, settings.clickhouse.database, at.timeout, note) as held,
        migration_client(partial(connect_clickhouse_as_it_is, settings)) as client,
        open_session(*where, at.timeout) as session,
    ):
        if missing and not force and _gone(session, client, made_for):
            _require_rest(settings)
        if missing:
            anew += [f"{at.watcher_schema}.{table}" for table in postgres_dropped.make_anew(session)]
        done = postgres.ensure(*where, at.timeout)
        for one in done:
            note(f"postgres {one}")
        if missing:
            anew += clickhouse_dropped.make_anew(Server(client, made_for, note, held=held))
        applied = clickhouse.up(client, made_for, progress=note, held=held)
        gone = _gone(session, client, made_for)
    if as_json:
        print_json([*_applied("postgres", done), *_applied("clickhouse", applied)])
    elif done or applied:
        note(f"applied {counted(len(done) + len(applied), 'migration')}")
    elif not gone and not anew:
        note(NOTHING)
    if anew:
        note(f"made anew: {', '.join(anew)}. {AFTERWARDS}")
    _tell_of(gone, "")


def _require_rest(settings: "Settings") -> None:
    """Return if no watcher is in the group: one that is at a batch would put it into a view twice.

    Raises:
        StopError: one is, or Kafka does not say.
    """
    from watcher.admin.offsets import ResetRefusedError, await_rest  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415
    from watcher.kafka.admin import KafkaAdmin  # noqa: PLC0415
    from watcher.model.errors import StopError, TemporaryError  # noqa: PLC0415

    try:
        await_rest(KafkaAdmin(kafka_client(settings.kafka)), settings.kafka.group)
    except (ResetRefusedError, TemporaryError) as error:
        raise StopError(
            f"{error}\nNothing was made anew. A watcher that is at a batch meanwhile puts it into a view twice: stop "
            "all of them, or say --force if none runs"
        ) from error


def _gone(session: "Session", client: "Client", made_for: "Deployment") -> list[str]:
    """Return the names of what migrations made and is not there."""
    from watcher.migrations.clickhouse import dropped as clickhouse  # noqa: PLC0415
    from watcher.migrations.clickhouse.migrate import silent  # noqa: PLC0415
    from watcher.migrations.clickhouse.server import Server  # noqa: PLC0415
    from watcher.migrations.postgres import dropped as postgres  # noqa: PLC0415

    here = [one.name for one in clickhouse.dropped(Server(client, made_for, silent))]
    return [*(f"{session.schema}.{table}" for table in postgres.dropped(session)), *here]


def _tell_of(gone: list[str], what: str) -> None:
    """Say which tables were made and dropped, and what is to be done or was done about it."""
    from watcher.migrations.ledger import LOST  # noqa: PLC0415

    if gone:
        note(f"{what}: {', '.join(gone)}" if what else f"{', '.join(gone)}: made by a migration, and gone: {LOST}")


def _named(store: str, pending: "Iterable[Migration]") -> list[dict[str, object]]:
    return [{"store": store, "version": one.version, "name": one.name} for one in pending]


def _applied(store: str, applied: "Iterable[Applied]") -> list[dict[str, object]]:
    return [{"store": store, "version": one.version, "name": one.name, "applied_at": one.applied_at} for one in applied]
