"""``crucible stack``: the topology for a developer's day, and its downloads."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from stack import background
from stack.cache import PROJECT
from stack.fetch import fetch as fetch_parts
from stack.topology import EVERYTHING, LEAVING
from stack.unavailable import NotReady, Unavailable

app = typer.Typer(
    help="Run Postgres, Kafka, Connect, Redis and ClickHouse on this machine, for development.",
    no_args_is_help=True,
)


def _default_folder() -> Path:
    """Return the checkout's own folder for it, or the working folder's where the package is installed elsewhere."""
    home = PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()
    return home / ".stack" / "local"


Folder = Annotated[
    Path, typer.Option("--folder", default_factory=_default_folder, help="Data, logs and state.", show_default=False)
]
PartNames = Annotated[
    list[str] | None,
    typer.Option("--part", help=f"Only this part; repeat for more. Default: {', '.join(EVERYTHING)}."),
]
Avro = Annotated[bool, typer.Option("--avro", help="Add the schema registry and its Avro converter.")]


@app.command()
def up(folder: Folder, part: PartNames = None, *, avro: Avro = False) -> None:
    """Start everything in the background and say where it is; with a stack running, only say it.

    Exit 1 when it cannot start, or a part has ended since.
    """
    try:
        found = background.up(folder, _chosen(part, avro=avro), lambda line: typer.echo(line, err=True))
    except (NotReady, Unavailable) as error:
        typer.echo(f"crucible: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("stack: goes on starting in the background; end it with: crucible stack down", err=True)
        raise typer.Exit(130) from None
    for line in _table(found):
        typer.echo(line, err=True)
    typer.echo("", err=True)
    _print_exports(found)
    _leave_if_ended(found)


@app.command()
def status(folder: Folder) -> None:
    """List the parts with process id, ports and log; exit 3 when no stack runs, 1 when a part has ended."""
    found = background.state(folder)
    if found is None:
        starting = background.keeper_pid(folder) is not None
        typer.echo("stack: starting" if starting else "stack: not running; start it with: crucible stack up")
        raise typer.Exit(3)
    for line in _table(found):
        typer.echo(line)
    _leave_if_ended(found)


@app.command()
def env(folder: Folder) -> None:
    """Print the variables that point the watcher at the stack: eval "$(crucible stack env)"."""
    found = background.state(folder)
    if found is None:
        typer.echo("stack: not running; start it with: crucible stack up", err=True)
        raise typer.Exit(3)
    _print_exports(found)


@app.command()
def down(folder: Folder, *, keep: Annotated[bool, typer.Option("--keep", help="Leave the data.")] = False) -> None:
    """Stop all parts and remove their data."""
    was_running = background.down(folder, keep=keep)
    left = f"; its data is in {folder}" if keep else "; its data is removed"
    typer.echo(f"stack: {'stopped' if was_running else 'was not running'}{left}")


@app.command()
def fetch(part: PartNames = None, *, avro: Avro = False) -> None:
    """Download what the parts need, and nothing else; later starts need no network."""
    try:
        fetch_parts(_chosen(part, avro=avro))
    except Unavailable as error:
        typer.echo(f"crucible: {error}", err=True)
        raise typer.Exit(1) from error


def _chosen(part: list[str] | None, *, avro: bool) -> list[str]:
    chosen = list(part or EVERYTHING)
    unknown = set(chosen) - set(LEAVING)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(LEAVING)}")
    return [*chosen, "registry"] if avro and "registry" not in chosen else chosen


def _leave_if_ended(found: background.State) -> None:
    """Exit with 1 and what to do, if a part has ended by itself."""
    ended = [str(part["name"]) for part in found.parts if not part["alive"]]
    if ended:
        typer.echo(
            f"stack: {', '.join(sorted(ended))} ended by itself, and the log says why; to have everything again: "
            "crucible stack down --keep, then crucible stack up",
            err=True,
        )
        raise typer.Exit(1)


def _table(found: background.State) -> list[str]:
    lines = []
    for part in sorted(found.parts, key=lambda one: str(one["name"])):
        ports = " ".join(f"{name}={port}" for name, port in part["ports"].items())
        alive = f"pid {part['pid']}" if part["alive"] else "ENDED"
        lines.append(f"{part['name']:<12} {alive:<12} {ports:<36} {part['log']}")
    return lines


def _print_exports(found: background.State) -> None:
    for name, value in found.environ.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
