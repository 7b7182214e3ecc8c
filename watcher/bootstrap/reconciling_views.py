"""Materialized views compared with their tables and made anew, put together."""

from collections.abc import Callable
from functools import partial
from typing import Final

from config import Settings
from watcher.bootstrap.clients import connect_clickhouse, deployment
from watcher.migrations.clickhouse.client import migration_client
from watcher.migrations.clickhouse.migrate import made_views
from watcher.migrations.clickhouse.rebuild_view import finish_rebuild, rebuild_view
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import View
from watcher.migrations.lock import alone
from watcher.postgres.own import repair
from watcher.postgres.session import Session
from watcher.reconcile.command.report import EXAMPLES
from watcher.reconcile.views import ViewReport, differing, differing_slice, differing_views

MAX_SLICE_SECONDS: Final = 30.0
"""For one question of a slice, which takes a second or so. Longer: a ClickHouse that is busy is asked for more."""
KIND = "made anew"
"""In the log of repairs."""


def compare_views(settings: Settings, told: Callable[[str], None]) -> tuple[ViewReport, ...]:
    """Return the views that show something else than their tables.

    Raises:
        TemporaryError: ClickHouse is away.
        MigrationError: it refuses.
    """
    with migration_client(partial(connect_clickhouse, settings)) as client:
        return tuple(one.report(EXAMPLES) for one in differing_views(Server(client, deployment(settings), told)))


def some_of_view(
    settings: Settings, view: View, number: int, pause: Callable[[float], None]
) -> tuple[ViewReport, int | None]:
    """Return what of one slice of a view differs, and the number of the slice that follows, if one does.

    Args:
        settings: where ClickHouse is.
        view: which.
        number: of the slice.
        pause: waits for some seconds between two looks.

    Raises:
        TemporaryError: ClickHouse is away, or takes too long.
        MigrationError: it refuses.
    """
    with migration_client(partial(connect_clickhouse, settings), MAX_SLICE_SECONDS) as client:
        client.set_client_setting("max_execution_time", str(round(MAX_SLICE_SECONDS)))
        found, slices = differing_slice(Server(client, deployment(settings), log_nothing), view, number, pause)
        return found.report(EXAMPLES), number + 1 if number + 1 < slices else None


def log_nothing(_: str) -> None:
    """Hear what is going on, and do nothing."""


def mend_views(
    settings: Settings, session: Session, told: Callable[[str], None], made_by: str
) -> tuple[ViewReport, ...]:
    """Make those views anew that show something else than their tables, and return them; one run at a time.

    Args:
        settings: where the neighbours are.
        session: PostgreSQL, as the watcher's role, which keeps the log.
        told: is told, in a line a time, what is going on.
        made_by: who mends, for the log.

    Raises:
        TemporaryError: a neighbour is away, or the lock is lost; the next run finishes what was begun.
        MigrationError: ClickHouse refuses, or a view stays different.
    """
    postgres, reports = settings.postgres, list[ViewReport]()
    with (
        alone(
            postgres.dsn.get_secret_value(),
            postgres.watcher_schema,
            settings.clickhouse.database,
            postgres.timeout,
            told,
        ) as held,
        migration_client(partial(connect_clickhouse, settings)) as client,
    ):
        server = Server(client, deployment(settings), told, held=held)
        server.wait_for_an_earlier_run()
        for view in made_views():
            finish_rebuild(server, view)
        for found in differing_views(server):
            rebuild_view(server, found.view)
            mended = not differing(server, found.view).keys
            if mended:
                repair.noted(session, found.report(0).view, {KIND: len(found.keys)}, made_by)
            reports.append(found.report(EXAMPLES, mended=mended))
    return tuple(reports)
