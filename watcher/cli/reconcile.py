"""``crucible reconcile``: what no stream can tell, found by comparing the stores with each other."""

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, note, print_columns, print_json
from watcher.telemetry.words import counted

if TYPE_CHECKING:
    from watcher.reconcile.report import Report

app = typer.Typer(no_args_is_help=False)

TITLES: Final = ("where", "what", "rows", "for example")
SAID_EVERY_SECONDS: Final = 5.0
"""Between two lines of progress."""


@app.command()
def reconcile(
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare rows in PostgreSQL with what was counted of them in ClickHouse, and the counts with themselves.

    A row may be missing, left over after its row went, counted several times, or counted elsewhere; a change may be
    there twice; a view may show otherwise than its table adds up to. Ranges of keys are compared by sums, and only
    those that differ row by row; what differs is looked at again before it is told, for it may be on its way. Nothing
    is changed.

    Exit codes: 0 all agrees, 1 something differs, 75 a neighbour is away.

    Examples:

      crucible reconcile

      crucible reconcile --table CrucibleEntry --json | jq .tables[0].kinds
    """
    import config  # noqa: PLC0415
    from watcher.bootstrap.reconciling import comparing, counted_tables  # noqa: PLC0415

    settings = config.load()
    tables = counted_tables(settings)
    unknown = [name for name in table or () if name not in tables]
    if unknown:
        raise typer.BadParameter(
            f"no rows are counted of {', '.join(unknown)}; of {', '.join(tables)} they are", param_hint="--table"
        )
    with comparing(settings) as comparer:
        report = comparer.everything((tables[name] for name in dict.fromkeys(table or tables)), _Progress())
    if as_json:
        print_json(report)
    else:
        _tell(report)
    if not report.finds_nothing:
        raise typer.Exit(FAILED)


class _Progress:
    """Says how far a comparison is, now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._began: dict[str, float] = {}

    def __call__(self, table: str, done: int, whole: int) -> None:
        now = time.monotonic()
        began = self._began.setdefault(table, now)
        if now - self._said >= SAID_EVERY_SECONDS and done:
            self._said = now
            left = (now - began) / done * (whole - done)
            note(f"{table}: {done} of {counted(whole, 'range')} compared, about {left:.0f} s to go")


def _tell(report: "Report") -> None:
    rows: list[tuple[str, str, object, str]] = []
    for table in report.tables:
        for kind, number in table.kinds.items():
            example = next(one for one in table.examples if one.kind.value == kind)
            right, there = example.expected or "nothing", example.counted or "nothing"
            told = f"row {example.key} counts for {right}, counted is {there}"
            rows.append((table.table, kind, number, told))
    rows += [(one.source, "change there twice", one.rows, f"of row {one.keys[0]}") for one in report.twice]
    rows += [
        (one.view, "view differs", one.differing, "{}: counted {}, shown {}".format(*one.examples[0]))
        for one in report.views
    ]
    if rows:
        print_columns(TITLES, rows)
        note(f"{counted(len(rows), 'kind')} of differences; --json names more rows of each")
    else:
        note(f"{counted(len(report.tables), 'table')} compared, with their views: all agrees")
