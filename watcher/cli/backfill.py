"""``crucible backfill``: rows that are there already, brought to ClickHouse and Redis beside the stream."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

import debezium
from watcher.cli.connecting import SlotFile
from watcher.cli.exits import FAILED, TRY_AGAIN
from watcher.cli.output import AsJson, note, print_columns, print_json
from watcher.cli.progress import ProgressLine
from watcher.model.words import counted

if TYPE_CHECKING:
    from config import Settings
    from watcher.model.registry import Table
    from watcher.postgres.own.backfill_run import BackfillRun
    from watcher.reconcile.backfill.counting import BackfillListener

app = typer.Typer(no_args_is_help=False)

MAX_SHOWN: Final = 100
"""Runs that are shown."""


@app.command()
def backfill(
    table: Annotated[str | None, typer.Option(help="Which table's rows; a handler answers for it.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Begin at the first row, whatever is done.")] = False,
    by_connector: Annotated[
        bool, typer.Option("--by-connector", help="Have the connector send the rows to Redis, asked by a signal.")
    ] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Ask whoever is at the table to stop after its page.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the table's run for good; what is done stays.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only show how far runs are, the latest first.")] = False,
    file: SlotFile = debezium.CONNECTOR,
    as_json: AsJson = False,
) -> None:
    """Bring a table's rows that are there already to ClickHouse and Redis, while the stream goes on.

    For a first start on tables that have rows: a snapshot of them is shown and not counted. Rows are taken in the order
    of their keys, page by page. What was counted of a page is compared with what its rows count for, and put right as
    `crucible reconcile --fix` does it: once the stream is past it, under identities of its own, so that neither a row
    that the stream has counted nor a change that comes later is counted twice. Rows that go or change before their page
    came are put right as well. Where Redis shows the table, every crucible that takes votes is then compared there.

    How far it is lies in PostgreSQL. Ctrl-C or --pause ends it after what is under way; run again, it goes on there,
    and so it does after it was killed. One process at a time has a table.

    With --by-connector it is Debezium that reads the rows, piece by piece beside the stream, and sends them through the
    table's topic to Redis, in place of the comparison there; what was counted is then compared and put right in the
    same way. It is asked by a row of its signal table, and watched by what it says in its notification topic. --pause
    has it wait, with all that it reads; to run it again lets it go on.

    Exit codes: 0 all rows are right, 1 some did not stand still (run `crucible reconcile --fix`), the stream stands, or
    the connector cannot be asked or refuses, 75 it was paused, another process is at it, or a neighbour is away: run it
    again.

    Examples:

      crucible backfill --table CrucibleEntry

      crucible backfill --table CrucibleEntry --pause

      crucible backfill --table CrucibleEntry --by-connector

      crucible backfill --status --json | jq '.[0].looked_at'
    """
    import config  # noqa: PLC0415
    from watcher.bootstrap.backfilling import backfilled_tables  # noqa: PLC0415

    ways = {"--status": status, "--pause": pause, "--stop": stop, "--anew": anew}
    if sum(ways.values()) > 1 or (by_connector and (status or pause or stop)):
        given = ", ".join(name for name, is_given in {**ways, "--by-connector": by_connector}.items() if is_given)
        raise typer.BadParameter("these exclude each other: take one of them", param_hint=given)
    settings = config.load()
    if status:
        _show(settings, as_json=as_json)
        return
    tables = backfilled_tables(settings)
    if table not in tables:
        given = "no table is named" if table is None else f"no rows of {table} are counted or shown"
        raise typer.BadParameter(f"{given}; expected one of {', '.join(tables)}", param_hint="--table")
    if pause or stop:
        _end(settings, tables[table], stop=stop)
        return
    bring_rows(settings, table, file, anew=anew, by_connector=by_connector, as_json=as_json)


def bring_rows(
    settings: "Settings", table: str, file: Path, *, anew: bool, as_json: bool, by_connector: bool = False
) -> None:
    """Run a backfill for a person, and exit unless all rows are right.

    Args:
        settings: where the neighbours are.
        table: one that can be backfilled.
        file: the connector's.
        anew: begin at the first row.
        as_json: answer in JSON.
        by_connector: have the connector read the rows.

    Raises:
        typer.Exit: it was paused, or some rows did not stand still.
    """
    from watcher.admin.connector.file import read_connector_file  # noqa: PLC0415
    from watcher.bootstrap.backfilling import backfill as run_backfill  # noqa: PLC0415
    from watcher.bootstrap.backfilling import backfilled_tables  # noqa: PLC0415
    from watcher.bootstrap.backfilling_by_connector import backfill_by_connector  # noqa: PLC0415
    from watcher.reconcile.backfill.counting import BackfillPausedError  # noqa: PLC0415

    connector, which = read_connector_file(file), backfilled_tables(settings)[table]
    progress = heard_by(ProgressLine(), table)
    with _asked_to_end() as ends:

        def asked() -> bool:
            return bool(ends)

        try:
            if by_connector:
                run, resumed = backfill_by_connector(
                    settings, which, connector, anew=anew, stops=asked, heard=progress, told=note
                )
            else:
                slot = connector.config.get("slot.name", "debezium")
                run, resumed = run_backfill(
                    settings, which, slot=slot, anew=anew, stops=asked, heard=progress, told=note
                )
        except BackfillPausedError as error:
            note(f"{table}: {error}")
            raise typer.Exit(TRY_AGAIN) from error
    if as_json:
        print_json({"table": table, "resumed": resumed} | msgspec.structs.asdict(run) | {"state": "done"})
    else:
        mended = ", ".join(f"{kind} {rows}" for kind, rows in sorted(run.mended.items())) or "none"
        sent = f"{counted(run.sent, 'row')} sent by the connector, " if by_connector else ""
        note(f"{table}: {sent}{counted(run.looked_at, 'row')} compared; put right: {mended}")
    if run.still_wrong:
        rows = counted(run.still_wrong, "row")
        note(f"{rows} kept changing and may be wrong: run `crucible reconcile --table {table} --fix`")
        raise typer.Exit(FAILED)


@contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """Yield a list that is empty until somebody presses Ctrl-C or sends SIGTERM; the second time it ends at once."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        note("pausing after what is under way; once more ends it at once, and what is done is noted all the same")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heard_by(progress: ProgressLine, table: str) -> "BackfillListener":
    """Return what hears how far a backfill of a table is, and has it said."""

    def heard(run: "BackfillRun", what: str) -> None:
        if what == "crucibles":
            done = run.done_crucible
            progress.heard(what, done, None, f"{table}: compared in Redis up to crucible {done}")
            return
        done, whole = run.done_key or 0, run.until_key
        line = f"{table}: {counted(run.looked_at, 'row')}, up to key {done} of {whole}"
        progress.heard(what, done, whole, line)

    return heard


def _end(settings: "Settings", table: "Table[Any]", *, stop: bool) -> None:
    from watcher.bootstrap.backfilling_by_connector import pause_backfill, stop_backfill  # noqa: PLC0415

    if stop:
        done = stop_backfill(settings, table)
        said = "ended; what is done stays" if done else "no backfill of it is open"
    else:
        done = pause_backfill(settings, table)
        said = "asked; it pauses after what is under way" if done else "nobody is at it"
    note(f"{table.name}: {said}" + ("" if done else "; `crucible backfill --status` shows where it stands"))
    if not done:
        raise typer.Exit(FAILED)


def _show(settings: "Settings", *, as_json: bool) -> None:
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import backfill_run  # noqa: PLC0415

    with site_session(settings) as session:
        found = backfill_run.runs(session, MAX_SHOWN)
    if as_json:
        print_json(found)
        return
    print_columns(
        ("began", "table", "state", "who", "last seen", "rows", "up to key", "of", "put right", "sent"),
        [
            (
                f"{one.began_at:%Y-%m-%d %H:%M:%S}",
                one.table,
                one.state,
                one.made_by,
                f"{one.seen_at:%H:%M:%S}",
                one.looked_at,
                one.done_key,
                one.until_key,
                ", ".join(f"{kind} {rows}" for kind, rows in sorted(one.mended.items())) or "none",
                one.sent if one.way == "connector" else "",
            )
            for one in found
        ],
    )
