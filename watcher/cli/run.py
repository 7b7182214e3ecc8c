"""``crucible run``: the daemon."""

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=False)


class Role(StrEnum):
    """What the process does."""

    WATCH = "watch"
    """Follow the change streams into ClickHouse and Redis."""


@app.command()
def run(
    role: Annotated[Role, typer.Option(help="What the process does.")] = Role.WATCH,  # noqa: ARG001 - one role so far
) -> None:
    """Follow the change streams until SIGTERM; finishes what is under way, within run.shutdown_deadline.

    Exit codes: 0 after SIGTERM or SIGINT, 1 when going on would lose or double something (the message says what to
    do), 78 for settings that cannot be used.

    Example: crucible run --role watch
    """
    from config import load  # noqa: PLC0415 - `crucible --help` needs neither
    from watcher.bootstrap.watch import watch  # noqa: PLC0415

    watch(load())
