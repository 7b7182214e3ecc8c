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
    from watcher.model.words import counted  # noqa: PLC0415

    settings, connector = config.load(), read_connector_file(file)
    found = []
    for finding in examine_everything(settings, connector):
        found.append(finding)
        if not as_json and not (quiet and finding.level is Level.OK):
            _tell(finding)
    if as_json:
        print_json(found)
    else:
        counts = {level: sum(one.level is level and not one.follows_from for one in found) for level in Level}
        following = sum(bool(one.follows_from) for one in found)
        warnings, failures = counted(counts[Level.WARN], "warning"), counted(counts[Level.FAIL], "failure")
        rest = (
            f", and {following} that only {'follows' if following == 1 else 'follow'} from others" if following else ""
        )
        note(f"{counts[Level.OK]} ok, {warnings}, {failures}{rest}")
    if any(finding.level is Level.FAIL for finding in found):
        raise typer.Exit(FAILED)


def _tell(finding: "Finding") -> None:
    mark, colour = MARKS[finding.level.value]
    if finding.follows_from:
        typer.echo(f"  ..  {finding.name}: {finding.found}; follows from {finding.follows_from}")
        return
    typer.echo(f"{typer.style(mark, fg=colour)}  {finding.name}: {finding.found}")
    if finding.advice:
        typer.echo(f"      -> {finding.advice}")
