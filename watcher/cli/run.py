"""``crucible run``: run the daemon in one of its roles."""

import sys
from functools import partial
from typing import Annotated

import typer

from watcher.cli.exits import FAILED, code_of, leave, print_reason
from watcher.cli.role import Role, as_settings

app = typer.Typer(no_args_is_help=False)


@app.command()
def run(
    role: Annotated[
        Role | None,
        typer.Option(
            help="What the process does: follow changes, take votes, move money, or all of it.", show_default="run.role"
        ),
    ] = None,
) -> None:
    """Follow the change streams, take votes, move money, or all of it, until SIGTERM.

    Finishes what is under way, within run.shutdown_deadline.

    Exit codes: 0 after SIGTERM or SIGINT, 1 when going on would lose or double something (the message says what to
    do), 78 for settings that cannot be used.

    Example: crucible run --role watch
    """
    code = FAILED
    try:
        code = code_of(partial(_until_told, role), _tell)
    except Exception as error:  # noqa: BLE001 - an interpreter prints it too, at an end that is not waited for here
        _tell_failure(error)
    leave(code)


def _tell_failure(error: Exception) -> None:
    """Tell of what nobody has foreseen, as a line of the log where somebody parses that."""
    from watcher.telemetry.logs import log_failure, writes_objects  # noqa: PLC0415

    if writes_objects():
        log_failure(type(error), error, error.__traceback__)
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def _tell(what: str, message: str) -> None:
    """Tell why the process ends, as a line of its log where somebody parses that."""
    import structlog  # noqa: PLC0415

    from watcher.telemetry.logs import writes_objects  # noqa: PLC0415

    if writes_objects():
        structlog.get_logger("watcher").error("process.ended", why=what, error=message)
    else:
        print_reason(what, message)


def _until_told(role: Role | None) -> None:
    from config import load  # noqa: PLC0415 - `crucible --help` needs neither

    settings = load(**as_settings(role))
    if settings.run.role == "api":
        from watcher.bootstrap.api import api  # noqa: PLC0415 - the one role that needs a web server

        api(settings)
    elif settings.run.role == "settle":
        from watcher.bootstrap.settle import settle  # noqa: PLC0415

        settle(settings)
    elif settings.run.role == "all":
        from watcher.bootstrap.all_roles import everything  # noqa: PLC0415

        everything(settings)
    else:
        from watcher.bootstrap.watch import watch  # noqa: PLC0415

        watch(settings)
