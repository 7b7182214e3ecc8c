"""``crucible metrics``: counts made anew where a handler means something else than it did."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import debezium
from watcher.cli.interrupted import interruptible
from watcher.cli.output import AsJson, DryRun, note, print_columns, print_json
from watcher.cli.progress import ProgressLine
from watcher.cli.times import time_of
from watcher.model.words import counted

if TYPE_CHECKING:
    from datetime import datetime

    from config import Settings
    from watcher.reconcile.meanings import MeaningReport

app = typer.Typer(no_args_is_help=True)


class From(StrEnum):
    """Where changes are taken from."""

    TOPIC = "topic"
    POSTGRES = "postgres"


@app.callback()
def metrics() -> None:
    """Count anew what a handler has counted whose meaning has changed."""


@app.command()
def replay(
    *,
    table: Annotated[str, typer.Option(help="Whose handlers mean something else now.")],
    since: Annotated[
        str | None, typer.Option(help="Only changes committed from then on, e.g. 2026-01-31T12:00:00Z.")
    ] = None,
    source: Annotated[
        From, typer.Option("--from", help="The topic: each change. PostgreSQL: the rows that are there.")
    ] = From.TOPIC,
    dry_run: DryRun = False,
    file: Annotated[
        Path,
        typer.Option(
            "--file",
            "-f",
            help="Connector file: it names the slot, for postgres.",
            show_default="debezium/connector.json",
        ),
    ] = debezium.CONNECTOR,
    as_json: AsJson = False,
) -> None:
    """Count the changes of a table by its present handlers, while the watchers go on.

    For a handler whose meaning has changed: watchers with it run already, and what was counted before is as before.
    The changes that the topic still holds are taken once more into a table beside entityMetricEvents, and compared with
    what was counted of each. What differs is added, once, under the time of the change, so that every view is right
    day by day. What comes meanwhile is counted by the watchers alone. Run it again whenever it ended early.

    Changes that the topic holds no more cannot be had change by change: --from postgres makes what was counted of each
    row what it counts for now, under today's time, as `crucible backfill --anew` does.

    Exit codes: 0 done, 1 the watchers do not read to the end, 75 a neighbour is away or another process is at it.

    Examples:

      crucible metrics replay --table CrucibleEntry --since 2026-01-31T12:00:00Z --dry-run

      crucible metrics replay --table CrucibleEntry --json | jq .metrics

      crucible metrics replay --table CrucibleEntry --from postgres
    """
    import config  # noqa: PLC0415
    from watcher.bootstrap.meaning import replayed_tables  # noqa: PLC0415

    began, settings = time_of(since, "--since"), config.load()
    tables = replayed_tables(settings)
    if table not in tables:
        raise typer.BadParameter(
            f"no changes of {table} are counted; expected one of {', '.join(tables)}", param_hint="--table"
        )
    if source is From.POSTGRES:
        if dry_run or began:
            raise typer.BadParameter(
                "rows have no past: with postgres neither --since nor --dry-run", param_hint="--from"
            )
        from watcher.cli.backfill import bring_rows  # noqa: PLC0415

        bring_rows(settings, table, file, anew=True, as_json=as_json)
        return
    with interruptible("what was written counts once: run the same command again, which goes on with what is left"):
        report = _replay(settings, table, began, dry_run=dry_run)
    if as_json:
        print_json(report)
    else:
        _tell(report, dry_run=dry_run)


def _replay(settings: "Settings", table: str, since: "datetime | None", *, dry_run: bool) -> "MeaningReport":
    from watcher.bootstrap.meaning import replay_metrics, replayed_tables  # noqa: PLC0415

    progress = ProgressLine()

    def heard(done: int, whole: int) -> None:
        progress.heard(table, done, whole, f"{done} of {counted(whole, 'part')} compared")

    return replay_metrics(
        settings, replayed_tables(settings)[table], since=since, dry_run=dry_run, told=note, heard=heard
    )


def _tell(report: "MeaningReport", *, dry_run: bool) -> None:
    if report.metrics:
        print_columns(
            ("metric", "counted", "by the handlers"), [(one.metric, one.counted, one.wanted) for one in report.metrics]
        )
    kinds = ", ".join(f"{changes} {kind}" for kind, changes in report.kinds.items()) or "none means anything else"
    note(f"{report.table}: {counted(report.changes, 'change')} compared: {kinds}; {report.written} put right")
    if report.refused:
        note(f"{counted(report.refused, 'record')} cannot be used: see `crucible dlq list --table {report.table}`")
    if report.written or report.kinds.get("repaired"):
        note(f"rows whose changes have left the topic: run `crucible reconcile --table {report.table} --fix`")
    elif report.kinds and dry_run:
        note("nothing was written: the same without --dry-run puts it right")
