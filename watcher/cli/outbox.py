"""``crucible outbox``: what is to be done outside, and what waits for somebody to look."""

from typing import Annotated, Literal

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, Yes, note, print_columns, print_json
from watcher.model.outbox import OutboxState
from watcher.model.words import counted

app = typer.Typer(no_args_is_help=True)
Channel = Annotated[Literal["buzz", "notify"] | None, typer.Option(help="Only rows of this channel.")]


@app.command("list")
def list_rows(
    state: Annotated[OutboxState | None, typer.Option(help="Only rows in this state.")] = None,
    channel: Channel = None,
    subject: Annotated[str | None, typer.Option(help="Only rows about this, e.g. entry:1001.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Rows at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what is to be done outside, and what was, oldest first.

    Examples:

      crucible outbox list --state parked

      crucible outbox list --subject entry:1001
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import outbox  # noqa: PLC0415

    with site_session(load()) as session:
        rows = outbox.listed(session, state=state, channel=channel, subject=subject, most=most)
    if as_json:
        print_json(rows)
        return
    print_columns(
        ("id", "state", "channel", "kind", "subject", "attempts", "error"),
        [(one.id, one.state.value, one.channel, one.kind, one.subject, one.attempts, one.error) for one in rows],
    )
    if any(one.state is OutboxState.PARKED for one in rows):
        note("parked rows wait for you: `crucible outbox show ID`, mend the cause, then `crucible outbox redrive`")


@app.command()
def show(
    row_id: Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="Id of the row.")],
    as_json: AsJson = False,
) -> None:
    """Show everything of one row, and what to do if it is parked.

    Examples:

      crucible outbox show 17
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import outbox  # noqa: PLC0415

    with site_session(load()) as session:
        row = outbox.shown(session, row_id)
    if row is None:
        note(f"there is no row {row_id}; `crucible outbox list` shows those that there are")
        raise typer.Exit(FAILED)
    if as_json:
        print_json(row)
        return
    for name in row.__struct_fields__:
        typer.echo(f"{name + ':':15}{getattr(row, name)}")
    if row.state is OutboxState.PARKED:
        note(
            "It was not carried out, or nobody can tell, and nothing about this subject goes on until you have looked: "
            f"compare with the other side by its key, mend the cause, then `crucible outbox redrive --id {row.id}`. It "
            "is looked up there first, so nothing happens twice."
        )


@app.command()
def redrive(
    row_id: Annotated[int | None, typer.Option("--id", min=1, max=2**63 - 1, help="This row alone.")] = None,
    channel: Channel = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Have parked rows carried out again, after their cause was mended; each is looked up first.

    Examples:

      crucible outbox redrive --dry-run

      crucible outbox redrive --id 17
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import outbox  # noqa: PLC0415

    with site_session(load()) as session:
        parked = outbox.listed(session, state=OutboxState.PARKED, channel=channel, subject=None, most=1_000_000)
        chosen = [one for one in parked if row_id is None or one.id == row_id]
        if row_id is not None and not chosen:
            note(f"row {row_id} is not there or not parked; `crucible outbox show {row_id}` says how it is")
            raise typer.Exit(FAILED)
        if chosen and not dry_run and not yes and row_id is None:
            typer.confirm(f"Have {counted(len(chosen), 'parked row')} carried out again?", abort=True)
        done = [] if dry_run or not chosen else outbox.redrive(session, row_id=row_id, channel=channel)
    if as_json:
        print_json({"parked": [one.id for one in chosen], "redriven": done})
        return
    print_columns(("id", "kind", "subject", "error"), [(one.id, one.kind, one.subject, one.error) for one in chosen])
    note(f"would redrive {len(chosen)}" if dry_run else f"redriven: {len(done)}")
