"""The backfill of one table, put together for the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from config import Settings
from handlers import REGISTRY
from watcher.bootstrap.clients import connect_clickhouse, site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.reconciling import made_by
from watcher.bootstrap.verification import verifying
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.kafka.admin import KafkaAdmin
from watcher.model.errors import StopError, TemporaryError
from watcher.model.registry import Table
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.held_lock import Held, held_lock
from watcher.postgres.own import backfill_run, repair
from watcher.postgres.own.backfill_run import BackfillRun
from watcher.postgres.session import Session
from watcher.postgres.site.contests import unfinished
from watcher.reconcile.backfill.counting import (
    BackfillListener,
    OngoingBackfill,
    count_rows,
    finish,
    look_again,
    show_crucibles,
)
from watcher.reconcile.backfill.pages import PageComparison
from watcher.reconcile.repairs.repairer import Repairer
from watcher.reconcile.repairs.stream import Stream
from watcher.reconcile.rows.keys_come import came_from, keys_come
from watcher.runtime.failpoint import reach

ROWS: Final = "rows"
"""What a run is called that brings rows by comparing them."""


class BackfillBusyError(TemporaryError):
    """Raised when another process backfills the table."""


class OtherWayError(StopError):
    """Raised when an earlier run of the table goes another way and is not over."""


def backfilled_tables(settings: Settings) -> dict[str, Table[Any]]:
    """Return the tables whose rows count for something, or are shown, by name."""
    tables = REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)
    return {table.name: table for table in tables if table.counts or table.shows_rows}


@contextmanager
def alone_at(settings: Settings, table: str) -> Iterator[Held]:
    """Keep other backfills of a table away for the length of a block.

    Raises:
        BackfillBusyError: there is one.
        TemporaryError: PostgreSQL is away.
    """
    name = f"crucible backfill {settings.postgres.watcher_schema} {table}"
    advice = "What is done is noted: run `crucible backfill` again"
    with site_session(settings) as session, held_lock(session, name, advice) as held:
        if held is None:
            with site_session(settings) as other:
                at_it = next((one.made_by for one in backfill_run.runs(other, 100) if one.table == table), "somebody")
            raise BackfillBusyError(
                f"{table} is being backfilled by {at_it}: see `crucible backfill --status`, or end it with "
                f"`crucible backfill --table {table} --pause`"
            )
        yield held


def backfill(
    settings: Settings,
    table: Table[Any],
    *,
    slot: str,
    anew: bool,
    stops: Callable[[], bool],
    heard: BackfillListener,
    told: Callable[[str], None],
) -> tuple[BackfillRun, bool]:
    """Bring a table's rows to ClickHouse, and to Redis if that shows them; return the run.

    Args:
        settings: where the neighbours are.
        table: which.
        slot: the connector's.
        anew: begin at the first row, wherever an earlier run stands.
        stops: whether this process was asked to end.
        heard: told how far it is.
        told: told what is waited for.

    Returns:
        The run as it ended, and whether it went on with an earlier one.

    Raises:
        BackfillBusyError: another process is at it.
        BackfillPausedError: it was to pause.
        StreamStandsError: the stream does not go on.
        TemporaryError: a neighbour is away; run it again.
    """
    with alone_at(settings, table.name) as held, site_session(settings) as session:
        ongoing, resumed = begun(settings, session, table, ROWS, anew=anew, held=held, stops=stops, heard=heard)
        if table.counts:
            count(settings, session, table, ongoing, stream_of(settings, session, slot, ongoing, told))
        if table.shows_rows:
            with verifying(settings) as verification:
                show_crucibles(ongoing, partial(unfinished, session), verification.verifier.compare)
        finish(session, ongoing.run, table.name, made_by())
        return ongoing.run, resumed


def begun(
    settings: Settings,
    session: Session,
    table: Table[Any],
    way: str,
    *,
    anew: bool,
    held: Held,
    stops: Callable[[], bool],
    heard: BackfillListener,
) -> tuple[OngoingBackfill, bool]:
    """Return the run of a table to be gone on with, or a new one, and whether it is an earlier one.

    Raises:
        OtherWayError: there is one, and it goes another way.
    """
    if anew:
        backfill_run.give_up(session, table.name)
    run = backfill_run.open_run(session, table.name)
    if run is not None and run.way != way:
        other, option = ("connector", " --by-connector") if way == ROWS else ("comparison", "")
        raise OtherWayError(
            f"an earlier backfill of {table.name}, by {other}, is not over: `crucible backfill --table {table.name}"
            f"{option}` goes on with it, `crucible backfill --table {table.name} --stop` ends it"
        )
    resumed, who = run is not None, made_by()
    if run is None:
        run = backfill_run.begin(session, table.name, way, _highest(settings, session, table), who)
    backfill_run.take(session, run, who)
    reach("backfill.begun")
    return OngoingBackfill(session, run, held=held, stops=stops, heard=heard), resumed


def _highest(settings: Settings, session: Session, table: Table[Any]) -> int:
    """Return the highest key that a row has, or that anything was counted of."""
    if not table.counts:
        return 0
    reads = ClickHouseReads(partial(connect_clickhouse, settings), queries())
    ((counted,),) = reads("highest_counted", {"source": table.name})
    span = CountedRows(session, table.counted).span()
    return max(int(counted), 0 if span is None else span[1])


def stream_of(
    settings: Settings, session: Session, slot: str, ongoing: OngoingBackfill, told: Callable[[str], None]
) -> Stream:
    """Return the stream's way; the run is seen to be at work while something is waited for."""
    kafka = settings.kafka
    admin = KafkaAdmin(kafka_client(kafka))
    return Stream(session, admin, slot=slot, group=kafka.group, topics=kafka.topics, told=told, pause=ongoing.rest)


def count(settings: Settings, session: Session, table: Table[Any], ongoing: OngoingBackfill, stream: Stream) -> None:
    """Put right what was counted of a table's rows, page by page.

    Raises:
        BackfillPausedError: it is to pause.
        StreamStandsError: the stream does not go on.
        TemporaryError: a neighbour is away; what is done is noted.
    """
    connect = partial(connect_clickhouse, settings)
    reads, rows = ClickHouseReads(connect, queries()), CountedRows(session, table.counted)
    chunks = PageComparison(table.counted, rows, reads)
    insert = PlannedInsert(REPAIRS, ClickHouseLink(connect), queries())
    try:
        repairer = Repairer(
            session,
            table.name,
            chunks,
            insert=insert,
            reads=reads,
            await_passed=stream.await_passed,
            made_by=made_by(),
            pause=ongoing.rest,
        )
        count_rows(ongoing, rows, chunks, repairer)
        stream.await_passed(repair.position(session)[0])
        since = came_from(reads, repair.clock(session) - ongoing.run.began_at)
        look_again(ongoing, keys_come(reads, table.counted, since), chunks.of_scattered, repairer)
    finally:
        insert.close()
