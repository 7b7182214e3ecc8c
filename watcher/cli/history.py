"""``crucible history``: show and accept which history PostgreSQL's log positions belong to."""

import typer

from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, Yes, print_columns, print_json

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show the accepted histories and the present one, and exit with 1 if they differ.

    Examples:

      crucible history show
    """
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.postgres.own import history  # noqa: PLC0415

    with site_session(load()) as session:
        present, known = history.current(session), history.accepted(session)
    same = bool(known) and known[-1].goes_on(present)
    if as_json:
        print_json({"present": present, "accepted": known, "same": same})
    else:
        rows = [(h.number, h.identity.system_identifier, h.identity.timeline, h.accepted.isoformat()) for h in known]
        print_columns(("number", "system", "timeline", "accepted"), rows)
        verdict = "as accepted" if same else "NOT accepted: see `crucible history accept`"
        if not known:
            verdict = "which the watcher accepts at its first start"
        typer.echo(f"PostgreSQL is {present}, {verdict}")
    if known and not same:
        raise typer.Exit(FAILED)


@app.command()
def accept(yes: Yes = False, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Accept that PostgreSQL was restored, failed over, replaced or set back, and that log positions may have fallen.

    The history's number rises, so that new row states win over older ones whatever their log position. What is counted
    stays counted once; what never was in this history is found and put right by `crucible reconcile --fix` afterwards.
    Accepting an unchanged history changes nothing.

    Examples:

      crucible history accept --yes
    """
    from config import load  # noqa: PLC0415
    from handlers import REGISTRY  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.model.beat import BEAT_TABLE  # noqa: PLC0415
    from watcher.postgres.own import history  # noqa: PLC0415

    with site_session(load()) as session:
        present, known = history.current(session), history.accepted(session)
        change = not known or not known[-1].goes_on(present)
        if change and not dry_run and not yes:
            typer.confirm(f"Accept {present} as the next history?", abort=True)
        counted = [table.name for table in REGISTRY if table.name != BEAT_TABLE]
        now = history.accept(session, counted) if change and not dry_run else None
    if as_json:
        print_json({"present": present, "change": change, "applied": now is not None, "history": now})
    elif now is not None:
        typer.echo(f"history {now.number} is {now.identity}; start the watcher, then `crucible reconcile --fix`")
    else:
        typer.echo(f"would accept {present}" if change else f"history {known[-1].number} is {present} already")
