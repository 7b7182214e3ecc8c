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


def code_of(call: Callable[[], object]) -> int:
    """Return the exit code of what is called: errors of ours become one message, never a traceback."""
    from config import ConfigError  # noqa: PLC0415 - `crucible --help` needs no settings
    from watcher.model.errors import TemporaryError, UnfitError, WatcherError  # noqa: PLC0415
    from watcher.telemetry.redaction import redact  # noqa: PLC0415

    try:
        call()
    except ConfigError as error:  # its words are ours, and it hides secrets by their keys: names must stay as given
        return _message("the settings cannot be used", str(error), BAD_SETTINGS)
    except UnfitError as error:
        return _message("stopped", redact(str(error)), FAILED)
    except TemporaryError as error:
        return _message("try again later", redact(str(error)), TRY_AGAIN)
    except WatcherError as error:
        return _message("stopped", redact(str(error)), FAILED)
    return OK


def _message(what: str, message: str, code: int) -> int:
    typer.echo(f"crucible: {what}:\n{message}", err=True)
    return code


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
