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
from watcher.reconcile.command.resumption import Resumption
from watcher.reconcile.redis.crucibles import TableListener
from watcher.reconcile.views import ViewReport, differing, differing_slice, name_of

MAX_SLICE_SECONDS: Final = 30.0
"""Seconds that one question of a slice may take, which takes a second or so. Longer: a ClickHouse that is busy is asked
for more."""
KIND = "made anew"
"""The kind of such a repair in the log of repairs."""
VIEWS: Final = "views"
"""What is compared, as progress is told."""


def compare_views(
    settings: Settings,
    told: Callable[[str], None],
    *,
    resumption: Resumption,
    heard: TableListener,
    pause: Callable[[float], None],
) -> tuple[ViewReport, ...]:
    """Return the views that show something else than their tables.

    Args:
        settings: where ClickHouse is.
        told: is told, in a line a time, what is going on.
        resumption: knows which were compared before, and remembers those that are now.
        heard: told how many are compared.
        pause: waits for some seconds between two looks.

    Raises:
        TemporaryError: ClickHouse is away.
        MigrationError: it refuses.
    """
    with migration_client(partial(connect_clickhouse, settings)) as client:
        server = Server(client, deployment(settings), told)

        def compared(view: View) -> ViewReport | None:
            found = differing(server, view, pause)
            return found.report(EXAMPLES) if found.keys else None

        return _each(resumption, heard, compared)


def _each(
    resumption: Resumption, heard: TableListener, compared: Callable[[View], ViewReport | None]
) -> tuple[ViewReport, ...]:
    """Return what differs of each view, of those of an earlier run as that one found it."""
    views = list(made_views())
    for number, view in enumerate(views, 1):
        if name_of(view) not in resumption.views():
            resumption.note_view(name_of(view), compared(view))
        heard(VIEWS, number, len(views))
    return tuple(one for one in resumption.views().values() if one is not None)


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
    """Do nothing with what is going on."""


def mend_views(
    settings: Settings,
    session: Session,
    told: Callable[[str], None],
    made_by: str,
    *,
    resumption: Resumption,
    heard: TableListener,
    pause: Callable[[float], None],
) -> tuple[ViewReport, ...]:
    """Make those views anew that show something else than their tables, and return them; one run at a time.

    Args:
        settings: where the neighbours are.
        session: PostgreSQL, as the watcher's role, which keeps the log.
        told: is told, in a line a time, what is going on.
        made_by: who mends, for the log.
        resumption: knows which were compared before, and remembers those that are now.
        heard: told how many are compared.
        pause: waits for some seconds between two looks.

    Raises:
        TemporaryError: a neighbour is away, or the lock is lost; the next run finishes what was begun.
        MigrationError: ClickHouse refuses, or a view stays different.
    """
    postgres = settings.postgres
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

        def mended(view: View) -> ViewReport | None:
            found = differing(server, view, pause)
            if not found.keys:
                return None
            rebuild_view(server, view)
            is_right = not differing(server, view, pause).keys
            if is_right:
                repair.noted(session, name_of(view), {KIND: len(found.keys)}, made_by)
            return found.report(EXAMPLES, mended=is_right)

        return _each(resumption, heard, mended)
