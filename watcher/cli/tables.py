"""``crucible tables``: let the changes of one table wait while those of the others flow."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, note, print_columns, print_json

app = typer.Typer(no_args_is_help=True)

TableName = Annotated[str, typer.Argument(help="Its name in PostgreSQL, e.g. CrucibleEntry.")]


@app.command("list")
def list_tables(as_json: AsJson = False) -> None:
    """List the tables that are followed, their topics, and which of them wait.

    Examples:

      crucible tables list
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.table_pauses import table_streams  # noqa: PLC0415

    found = table_streams(load())
    if as_json:
        print_json(found)
        return
    rows = [(one.table, ", ".join(one.topics) or None, str(one.paused or "flows")) for one in found]
    print_columns(("table", "topics", "state"), rows)


@app.command()
def pause(
    table: TableName,
    *,
    reason: Annotated[str, typer.Option(help="Why, for whoever finds it paused.")] = "",
    as_json: AsJson = False,
) -> None:
    """Leave a table's changes in their topic from now on; those of other tables flow.

    Every watcher of the group sees it within ten seconds, and so does one that starts later. Its topic drops records in
    the end, so this is for hours. Paused twice, it is so since the first time.

    Examples:

      crucible tables pause CrucibleEntry --reason 'a migration of the site'
    """
    from config import load  # noqa: PLC0415
    from watcher.admin.table_pauses import SEEN_WITHIN_SECONDS  # noqa: PLC0415
    from watcher.bootstrap.table_pauses import pause_table, what_to_mind  # noqa: PLC0415

    settings = load()
    with _faults():
        did, stream = pause_table(settings, table, reason)
    if as_json:
        print_json({"did": did, **_shown(stream)})
    else:
        typer.echo(
            f"{table} is {stream.paused}; watchers leave its changes within {SEEN_WITHIN_SECONDS} s"
            if did
            else f"{table} was {stream.paused} already; nothing was done"
        )
    note(what_to_mind(settings, stream))


@app.command()
def resume(table: TableName, *, as_json: AsJson = False) -> None:
    """Read a table's changes again, from where they were left. Resumed twice, nothing is done the second time.

    Examples:

      crucible tables resume CrucibleEntry
    """
    from config import load  # noqa: PLC0415
    from watcher.admin.table_pauses import SEEN_WITHIN_SECONDS  # noqa: PLC0415
    from watcher.bootstrap.table_pauses import resume_table  # noqa: PLC0415

    with _faults():
        was, stream = resume_table(load(), table)
    if as_json:
        print_json({"did": was is not None, **_shown(stream)})
    elif was is None:
        typer.echo(f"{table} was not paused; nothing was done")
    else:
        typer.echo(f"{table} was {was}; watchers go on with its changes within {SEEN_WITHIN_SECONDS} s")


def _shown(stream: object) -> dict[str, object]:
    import msgspec  # noqa: PLC0415

    shown: dict[str, object] = msgspec.to_builtins(stream)
    return shown


@contextmanager
def _faults() -> Iterator[None]:
    """Turn a table that is not there into exit code 1 and one line."""
    from watcher.admin.table_pauses import NoSuchTableError  # noqa: PLC0415

    try:
        yield
    except NoSuchTableError as error:
        note(str(error))
        raise typer.Exit(FAILED) from error
