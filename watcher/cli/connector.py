"""``crucible connector``: keep Debezium's connector at what its file says."""

from typing import TYPE_CHECKING, Annotated

import typer

import debezium
from watcher.cli import connector_running
from watcher.cli.connecting import File, Name, Timeout, open_connect, read_file, shown_status
from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, DryRun, Yes, note, print_columns, print_json

if TYPE_CHECKING:
    from watcher.admin.connector.plan import ConnectorPlan

app = typer.Typer(no_args_is_help=True)

Overlay = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replaces a key of the file; KEY= removes it. May be repeated."),
]
AllowUnknown = Annotated[bool, typer.Option("--allow-unknown", help="Accept keys that nobody declares.")]


@app.command()
def apply(
    *,
    file: File = debezium.CONNECTOR,
    name: Name = None,
    overlay: Overlay = None,
    timeout: Timeout = 60.0,
    dry_run: DryRun = False,
    allow_unknown: AllowUnknown = False,
    as_json: AsJson = False,
) -> None:
    """Validate the connector file, show what changes, apply it, wait until every task runs.

    Applying the same file twice changes nothing. A connector that was paused or stopped is resumed.
    Secrets are shown only where they are references.

    Examples:

      crucible connector apply

      crucible connector apply --dry-run -f debezium/connector-avro.json

      crucible connector apply -f debezium/events.json

      crucible connector apply --set 'database.password=${file:/run/secrets/pg.properties:password}'
    """
    from watcher.admin.connector.apply import apply_plan  # noqa: PLC0415
    from watcher.admin.connector.plan import plan_connector  # noqa: PLC0415

    with open_connect() as connect:
        wanted = read_file(file, name, overlay)
        plan = plan_connector(connect, wanted, allow_unknown=allow_unknown)
        if not as_json:
            _tell(plan)
        status = None if dry_run else apply_plan(connect, wanted, plan, timeout=timeout)
    if as_json:
        print_json({"plan": plan, "applied": not dry_run, "status": status})
    elif status is not None:
        typer.echo(f"connector {wanted.name}: {len(status.tasks)} task(s) running")


@app.command()
def diff(
    *,
    file: File = debezium.CONNECTOR,
    name: Name = None,
    overlay: Overlay = None,
    allow_unknown: AllowUnknown = False,
    as_json: AsJson = False,
) -> None:
    """Show what `apply` would change, and exit with 1 if that is anything.

    Examples:

      crucible connector diff || crucible connector apply
    """
    from watcher.admin.connector.plan import plan_connector  # noqa: PLC0415

    with open_connect() as connect:
        plan = plan_connector(connect, read_file(file, name, overlay), allow_unknown=allow_unknown)
    if as_json:
        print_json({"plan": plan})
    else:
        _tell(plan)
    if not plan.does_nothing:
        raise typer.Exit(FAILED)


@app.command()
def status(*, file: File = debezium.CONNECTOR, name: Name = None, as_json: AsJson = False) -> None:
    """Show how the connector and its tasks fare, and exit with 1 if one does not run.

    Examples:

      crucible connector status --json | jq -e '.status.tasks[].state'
    """
    from watcher.admin.connector.failure import failure_text  # noqa: PLC0415
    from watcher.admin.connector.file import ConnectorFile  # noqa: PLC0415
    from watcher.admin.connector.plan import resend_guards  # noqa: PLC0415

    with open_connect() as connect:
        wanted = read_file(file, name, None)
        found = connect.status(wanted.name)
        running = connect.config(wanted.name)
        if found is None or running is None:
            note(f"there is no connector {wanted.name}; `crucible connector apply` makes it")
            raise typer.Exit(FAILED)
        current = ConnectorFile(wanted.name, running)
        guards = resend_guards(connect, current)
    if as_json:
        print_json({"status": shown_status(found, current), "guards": guards})
    else:
        rows = [(f"connector {found.name}", found.connector.state, found.connector.worker_id)]
        rows += [(f"task {task.id}", task.state, task.worker_id) for task in found.tasks]
        print_columns(("part", "state", "worker"), rows)
        for line in guards.lines():
            typer.echo(line)
    if not found.runs:
        if found.traces:
            note(failure_text(found, current))
        if found.at_rest:
            noted = _told_of_rest(found.name)
            note(f"connector {found.name} is {found.at_rest}{noted}; `crucible connector resume` lets it run again")
        raise typer.Exit(FAILED)


app.command()(connector_running.pause)
app.command()(connector_running.resume)
app.command()(connector_running.restart)


@app.command()
def delete(
    *,
    file: File = debezium.CONNECTOR,
    name: Name = None,
    offsets: Annotated[
        bool, typer.Option("--offsets", help="Forget how far it has read too: the next one takes a snapshot.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Remove the connector. Its replication slot stays and holds PostgreSQL's log until it is dropped.

    Examples:

      crucible connector delete --yes

      crucible connector delete --offsets --yes
    """
    wanted = read_file(file, name, None)
    with open_connect() as connect:
        running = connect.config(wanted.name)
        if running is None:
            note(f"there is no connector {wanted.name}")
            raise typer.Exit(FAILED)
        what = f"connector {wanted.name}" + (" and its offsets" if offsets else "")
        if dry_run:
            typer.echo(f"would remove {what}")
            return
        if not yes:
            typer.confirm(f"Remove {what}?", abort=True)
        if offsets:
            connect.stop(wanted.name)
            connect.remove_offsets(wanted.name)
        connect.delete(wanted.name)
    slot = running.get("slot.name", "debezium")
    if offsets:
        _forget_slot(slot)
    typer.echo(f"removed {what}")
    note(
        f"replication slot {slot} still holds the log; if the connector does not come back, run in PostgreSQL: "
        f"SELECT pg_drop_replication_slot('{slot}')"
    )


def _forget_slot(slot: str) -> None:
    """Have the slot's next connector be a beginning; said where that could not be noted."""
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.connectors import forget_event_slot  # noqa: PLC0415
    from watcher.model.errors import WatcherError  # noqa: PLC0415

    try:
        forget_event_slot(load(), slot)
    except WatcherError as error:
        note(f"that {slot} begins anew could not be noted, so `crucible doctor` will tell of it: {error}")


def _told_of_rest(name: str) -> str:
    """Return since when a connector is at rest and by whom, as far as that is known."""
    from config import load  # noqa: PLC0415
    from watcher.bootstrap.connectors import rest_of  # noqa: PLC0415
    from watcher.model.errors import WatcherError  # noqa: PLC0415

    try:
        rest = rest_of(load(), name)
    except WatcherError:
        return ""  # it is about the connector, and doctor looks at PostgreSQL
    if rest is None:
        return ""
    by = f", by {rest.by}" if rest.by else ", by somebody who asked Kafka Connect itself"
    return f" since {rest.since.isoformat(timespec='seconds')}{by}"


def _tell(plan: "ConnectorPlan") -> None:
    if not plan.exists:
        typer.echo(f"connector {plan.name} is new:")
    elif plan.does_nothing:
        typer.echo(f"connector {plan.name} is as the file says")
    else:
        typer.echo(f"connector {plan.name} changes:")
    if plan.at_rest:
        typer.echo(f"  ~ state: {plan.at_rest} -> RUNNING")
    for change in plan.changes:
        typer.echo(f"  {change}")
    for line in plan.guards.lines():
        typer.echo(line)
