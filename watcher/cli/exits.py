"""Exit codes of ``crucible``, and which error ends with which; 0, 1 and 2 mean what they mean everywhere."""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

import typer

OK: Final = 0
FAILED: Final = 1
"""It did not work, or a check found a fault."""
USAGE: Final = 2
"""The command line is wrong."""
TRY_AGAIN: Final = 75
"""A neighbour is away; the same call may go through later (``EX_TEMPFAIL``)."""
BAD_SETTINGS: Final = 78
"""The settings cannot be used; starting again will not help (``EX_CONFIG``)."""


def print_reason(what: str, message: str) -> None:
    """Print why a command ends, for people."""
    typer.echo(f"crucible: {what}:\n{message}", err=True)


def code_of(call: Callable[[], object], tell: Callable[[str, str], object] = print_reason) -> int:
    """Return the exit code of what is called: errors of ours become one message, never a traceback.

    Args:
        call: what to do.
        tell: told in a few words what has ended it, and the message. Of settings that cannot be used people are told:
            there is no log yet.
    """
    from config import ConfigError  # noqa: PLC0415 - `crucible --help` needs no settings
    from watcher.model.errors import TemporaryError, UnfitError, WatcherError  # noqa: PLC0415
    from watcher.telemetry.redaction import redact  # noqa: PLC0415

    try:
        call()
    except ConfigError as error:  # its words are ours, and it hides secrets by their keys: names must stay as given
        print_reason("the settings cannot be used", str(error))
        return BAD_SETTINGS
    except WatcherError as error:
        waits = isinstance(error, TemporaryError) and not isinstance(error, UnfitError)
        tell("try again later" if waits else "stopped", redact(str(error)))
        return TRY_AGAIN if waits else FAILED
    return OK


def leave(code: int) -> NoReturn:
    """End the process at once, whatever its threads wait for; everything that has to be closed was closed before.

    An interpreter at its end joins every worker of ``concurrent.futures``, also of a pool that was shut down without
    waiting. One that asks a neighbour who is silent would hold the process for as long as that neighbour has to answer.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
