"""``crucible doctor``: whether every link holds, and what to do where one does not."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import debezium
from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, note, print_json

if TYPE_CHECKING:
    from watcher.admin.doctor.findings import Finding

app = typer.Typer()

MARKS = {"ok": ("ok  ", typer.colors.GREEN), "warn": ("warn", typer.colors.YELLOW), "fail": ("FAIL", typer.colors.RED)}


@app.command()
def doctor(
    file: Annotated[
        Path,
        typer.Option("--file", "-f", help="Connector file that should run.", show_default="debezium/connector.json"),
    ] = debezium.CONNECTOR,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what is not as it should be.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every link from PostgreSQL to the sinks and say what to do for each fault; exit 1 if something fails.

    Nothing is changed. Warnings do not fail: they say what will go wrong, or could be safer.

    Examples:

      crucible doctor

      crucible doctor --quiet

      crucible doctor --json | jq -r '.[] | select(.level == "fail") | .advice'
    """
    import config  # noqa: PLC0415
    from watcher.admin.connector.file import read_connector_file  # noqa: PLC0415
    from watcher.admin.doctor.findings import Level  # noqa: PLC0415
    from watcher.bootstrap.doctor import examine_everything  # noqa: PLC0415

    settings, connector = config.load(), read_connector_file(file)
    found = []
    for finding in examine_everything(settings, connector):
        found.append(finding)
        if not as_json and not (quiet and finding.level is Level.OK):
            _tell(finding)
    if as_json:
        print_json(found)
    else:
        counts = {level: sum(finding.level is level for finding in found) for level in Level}
        note(f"{counts[Level.OK]} ok, {counts[Level.WARN]} warnings, {counts[Level.FAIL]} failures")
    if any(finding.level is Level.FAIL for finding in found):
        raise typer.Exit(FAILED)


def _tell(finding: "Finding") -> None:
    mark, colour = MARKS[finding.level.value]
    typer.echo(f"{typer.style(mark, fg=colour)}  {finding.name}: {finding.found}")
    if finding.advice:
        typer.echo(f"      -> {finding.advice}")
