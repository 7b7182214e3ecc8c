"""``crucible reconcile``: what no stream can tell, found by comparing the stores with each other."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import debezium
from watcher.cli.connecting import SlotFile
from watcher.cli.exits import FAILED
from watcher.cli.interrupted import interruptible
from watcher.cli.output import AsJson, DryRun, note, print_columns, print_json
from watcher.cli.progress import ProgressLine
from watcher.cli.times import time_of
from watcher.model.words import counted

if TYPE_CHECKING:
    from watcher.bootstrap.reconciling import Asked
    from watcher.reconcile.command.report import Report
    from watcher.reconcile.command.resumption import Resumption
    from watcher.reconcile.redis.crucibles import TableListener

app = typer.Typer(no_args_is_help=False)

MAX_ID: Final = 2**63 - 1
"""The highest id that either store has a place for."""
TITLES: Final = ("where", "what", "rows", "mended", "derivable", "for example")
MAX_LOGGED: Final = 100
"""Repairs that are shown."""
COMPARED_BY: Final = {"votes": "crucible", "redis": "crucible", "views": "view"}
"""What is compared at a time; of a table it is a range of keys."""


@app.command()
def reconcile(
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated.")] = None,
    crucible: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_ID, help="Only this crucible: its row, and the rows that are or were counted for it."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only rows made, changed or counted from this time on (UTC), e.g. 2026-01-31.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="File that remembers how far the run is: killed, it goes on there.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Put right what can be derived.")] = False,
    dry_run: DryRun = False,
    log: Annotated[bool, typer.Option("--log", help="Only show who has mended what, the latest first.")] = False,
    file: SlotFile = debezium.CONNECTOR,
    as_json: AsJson = False,
) -> None:
    """Compare the stores: rows with what was counted of them, votes, views, and what Redis shows of each crucible.

    A row may be missing, left over after its row went, counted several times, or counted elsewhere; a change may be
    there twice; a view may show otherwise than its table adds up to. Ranges of keys are compared by sums, and only
    those that differ row by row; what differs is looked at again before it is told, for it may be on its way. Unless
    tables are named, votes are compared by their numbers with their events, and Redis with PostgreSQL and ClickHouse.

    Without --fix, as with --dry-run, nothing is changed, and what was found is noted for the doctor. With --fix, what
    was counted of rows is put right by further metric events, once the stream is past what was compared; a change of
    them that comes later still is not counted on top. Rows of which a change came in meanwhile are looked at once more
    at the end; where the stream stands by then, that is said, as "unawaited" in --json. Views are made anew while the
    daemon goes on, and crucibles in Redis by the verifier. What cannot be derived is told as such.

    --crucible and --since compare chosen rows, each as a whole, and neither views nor changes that are there twice.
    --crucible has the crucible's row, rows that count for it, rows of which anything was ever counted for it, its votes
    and what Redis shows of it. --since has rows whose "createdAt", "updatedAt" or "decided_at" is not before the time,
    and rows of which anything was counted from then on, by the time of the change. What has left no trace since is not
    seen: an older row that was deleted or handed over and never counted so, an older one that was never counted, and
    changes counted twice before.

    --resume names a file. It is made, kept up as ranges of rows, crucibles and views are compared, and removed at the
    end; a run that finds it goes on there, with what was found before. A run with other options, or of other databases,
    begins anew.

    PostgreSQL is asked one question at a time, of about a second, whoever compares; with postgres.reader_dsn whole
    tables are read from a replica. Rows made before the first day that ClickHouse keeps by a TTL of entityMetricEvents,
    and two days more, are left out, and counts from before too.

    Exit codes: 0 all agrees, 1 something differs, 75 a neighbour is away.

    Examples:

      crucible reconcile

      crucible reconcile --crucible 42 --fix

      crucible reconcile --since 2026-01-31T12:00:00Z

      crucible reconcile --resume /var/tmp/reconcile.json

      crucible reconcile --table CrucibleEntry --json | jq .tables[0].kinds

      crucible reconcile --fix
    """
    import config  # noqa: PLC0415
    from watcher.admin.connector.file import read_connector_file  # noqa: PLC0415
    from watcher.bootstrap.reconciling import Asked, comparing, counted_tables  # noqa: PLC0415
    from watcher.reconcile.rows.choice import Choice  # noqa: PLC0415

    if log and (fix or dry_run or table or crucible or since or resume):
        raise typer.BadParameter("it only shows, and all of it: only --json goes with it", param_hint="--log")
    if fix and dry_run:
        raise typer.BadParameter("one of them: --fix puts right, --dry-run only looks", param_hint="--fix, --dry-run")
    settings = config.load()
    if log:
        _show_log(as_json=as_json)
        return
    choice = Choice(crucible, time_of(since, "--since"))
    if choice.since is not None and choice.since > datetime.now(UTC):
        note(f"--since {choice.since:%Y-%m-%dT%H:%M:%SZ} is still to come: nothing is that new, so nothing is compared")
    slot = read_connector_file(file).config.get("slot.name", "debezium")
    tables = counted_tables(settings)
    unknown = [name for name in table or () if name not in tables]
    if unknown:
        raise typer.BadParameter(
            f"no rows of {', '.join(unknown)} are counted; expected one of {', '.join(tables)}", param_hint="--table"
        )
    asked = Asked(
        tuple(tables[name] for name in dict.fromkeys(table or tables)),
        fix=fix,
        crucibles=not table and since is None,
        choice=choice,
    )
    given = {"--crucible": crucible, "--since": since}
    again = [word for name in table or () for word in ("--table", name)]
    again += [word for name, value in given.items() if value is not None for word in (name, str(value))]
    again += ["--fix"] if fix else []
    with _going_on(resume, again), comparing(settings, slot, note) as comparer:
        server = settings.clickhouse
        places = {
            "postgres": comparer.postgres,
            "clickhouse": f"{server.host}:{server.port}/{server.database}",
            "redis": settings.redis.url.get_secret_value().rpartition("@")[2].partition("?")[0],  # without passwords
        }
        resumption = _resumption(resume, asked, places, comparer.begin(asked))
        if crucible is not None and not comparer.has_crucible(crucible):
            note(f"PostgreSQL has no crucible {crucible}: what was counted for it and what Redis shows is compared")
        for name, pause in comparer.waiting(asked).items():
            note(f"{name} is {pause}: what waits in its topic shows as a difference, and nothing is mended meanwhile")
        report = comparer.everything(asked, heard_by(ProgressLine()), resumption)
    if as_json:
        print_json(report)
    else:
        _tell(report, chosen=bool(choice))
    if not report.finds_nothing:
        raise typer.Exit(FAILED)


@contextmanager
def _going_on(file: Path | None, options: list[str]) -> Iterator[None]:
    """Have a run that ends early say how to go on: by Ctrl-C, and with a file also where a neighbour is away.

    Args:
        file: that remembers how far it is.
        options: that it was given besides.
    """
    from watcher.model.errors import WatcherError  # noqa: PLC0415

    again = shlex.join(["crucible", "reconcile", *options])
    done = "what was put right stays, and what was decided is carried out by the next run" if "--fix" in options else ""
    if file is None:
        kept = f"how far it was is not kept: `{again}` begins anew, and with --resume FILE a run goes on where it was"
        with interruptible("; ".join(filter(None, [done, kept]))):
            yield
        return
    goes_on = f"`{again} --resume {shlex.quote(str(file))}` goes on where it was"
    with interruptible("; ".join(filter(None, [done, goes_on]))):
        try:
            yield
        except WatcherError:
            if file.exists():
                note(goes_on)
            raise


def _resumption(file: Path | None, asked: "Asked", places: dict[str, str], began: datetime) -> "Resumption":
    """Return what remembers how far the run is, told whether it goes on."""
    from watcher.reconcile.command.resumption import Resumption  # noqa: PLC0415

    options = {
        **places,
        "tables": " ".join(one.name for one in asked.tables),
        "fix": str(asked.fix),
        "crucible": str(asked.choice.crucible),
        "since": str(asked.choice.since),
    }
    try:
        resumption = Resumption(file, options, began)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--resume") from None
    if resumption.goes_on:
        note(f"going on where the run stood that began at {resumption.began:%Y-%m-%d %H:%M:%S} UTC")
    return resumption


def heard_by(progress: ProgressLine) -> "TableListener":
    """Return what hears how far a comparison is, and has it said."""

    def heard(where: str, done: int, whole: int) -> None:
        what = counted(whole, COMPARED_BY.get(where, "range"))
        progress.heard(where, done, whole, f"{where}: {done} of {what} compared")

    return heard


def _show_log(*, as_json: bool) -> None:
    import config  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import repair  # noqa: PLC0415

    with site_session(config.load()) as session:
        found = repair.log(session, MAX_LOGGED)
    if as_json:
        print_json(found)
        return
    print_columns(
        ("when", "who", "table", "rows", "what", "written"),
        [
            (
                f"{one.made_at:%Y-%m-%d %H:%M:%S}",
                one.made_by,
                one.table,
                one.rows,
                ", ".join(f"{kind} {rows}" if rows else kind for kind, rows in one.kinds.items()),
                "not yet: run `crucible reconcile --fix` again" if one.done_at is None else f"{one.done_at:%H:%M:%S}",
            )
            for one in found
        ],
    )


def _tell(report: "Report", *, chosen: bool) -> None:
    rows: list[tuple[str, str, object, object, str, str]] = []
    for table in report.tables:
        for kind, number in table.kinds.items():
            example = next(one for one in table.examples if one.kind == kind)
            right, there = example.expected or "nothing", example.counted or "nothing"
            told = f"row {example.key} counts for {right}, counted was {there}"
            rows.append((table.table, kind, number, table.mended.get(kind, 0), "yes", told))
    for twice in report.twice:
        told = f"of row {twice.keys[0]}" + (", which counts for what it should" if twice.counted_right else "")
        rows.append((twice.source, "change there twice", twice.rows, 0, "by its row", told))
    for view in report.views:
        told = "{}: counted {}, shown {}".format(*view.examples[0])
        rows.append((view.view, "view differs", view.differing, view.differing - view.left, "yes", told))
    rows += [
        (one.where, one.kind, one.rows, one.mended, "yes" if one.derivable else "no", one.examples[0])
        for one in (*report.votes, *report.redis)
    ]
    if rows:
        print_columns(TITLES, rows)
    for table in report.tables:
        if table.kept_since is not None:
            left_out = counted(table.too_old, "row") if table.too_old else "rows"
            note(
                f"{table.table}: {left_out} made before {table.kept_since:%Y-%m-%d} left out, and what was counted "
                "before: ClickHouse does not keep it (TTL of entityMetricEvents)"
            )
    if report.unawaited:
        note(f"what was on its way meanwhile could not be looked at: {report.unawaited}")
    if report.finds_nothing:
        what = (
            f"{counted(len(report.tables), 'table')} compared, {'as far as chosen' if chosen else 'with their views'}"
        )
        note(f"{what}: all agrees" + (" now" if rows else ""))
    else:
        note("--json names more rows of each kind; `crucible reconcile --fix` puts right what can be derived")
