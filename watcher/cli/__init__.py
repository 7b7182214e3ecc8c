"""The ``crucible`` command. A verb parses its arguments, calls what does the work, and prints the answer."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from watcher.cli.exits import code_of
from watcher.cli.lazy import LazyGroup

HELP = """\
Follow a site's crucibles from PostgreSQL to ClickHouse and Redis, every change once.

[bold]A first day[/bold]

  crucible config check            are the settings usable?
  crucible migrate up              create ClickHouse's tables and views
  crucible connector apply         start Debezium
  crucible doctor                  does every link hold?
  crucible run                     follow the changes

Settings come from CRUCIBLE_* variables, a secrets directory and a TOML file: see `crucible config --help`.
"""

app = typer.Typer(
    name="crucible",
    cls=LazyGroup,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # they print local variables, and with them passwords
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crucible {version('crucible-watcher')}")
        raise typer.Exit


@app.callback()
def crucible(
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with settings.", envvar="CRUCIBLE_CONFIG", show_default="none", dir_okay=False),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Take the options that hold for every verb."""
    if config is not None:
        os.environ["CRUCIBLE_CONFIG"] = str(config)


def main() -> None:
    """Run the console script: errors of ours become one message and an exit code, never a traceback.

    Ctrl-C exits with 130 and a wrong command line with 2; Typer sees to both.
    """
    if any(not one.startswith("-") for one in sys.argv[1:]):  # `crucible --help` says nothing besides
        from watcher.telemetry.logs import set_up_logs  # noqa: PLC0415

        # Else libraries would write past it, and our own lines would stand among a verb's answers.
        set_up_logs("warning")
    sys.exit(code_of(app))
