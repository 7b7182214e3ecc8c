"""How a command answers: JSON for programs, columns for people. Answers go to standard output, all else to stderr."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
import typer

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing something.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def print_json(answer: Any) -> None:
    """Write an answer as one indented JSON document."""
    typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())


def print_columns(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows under their titles, aligned; the last column runs as long as it is. None shows as ``-``."""
    lines = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(titles), *lines]) for at in range(len(titles))]
    for line in [list(titles), *lines]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def note(text: str) -> None:
    """Write a line to standard error: something for a person that is not the answer."""
    typer.echo(text, err=True)
