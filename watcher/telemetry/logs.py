"""Structured logs on standard error: ``noun.verb_past`` and keys, one line a batch and none a record.

A terminal gets columns and colour, everything else one JSON object a line. Lines of libraries take the same road, so
that one parser reads all. Secrets are cut out of every text, whoever wrote it.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog

from watcher.telemetry.redaction import redact
from watcher.telemetry.repeats import Repeats

REPEAT_SECONDS: Final = 10.0
"""Seconds between two lines of a fault that lasts. Smaller: noise. Larger: it looks as if it were over."""
LIBRARIES: Final = logging.WARNING
"""Lowest level of lines that libraries write."""
SAID_BESIDES: Final = ("urllib3", "psycopg")
"""Libraries whose warnings come as exceptions as well, and are told of in our words: who is away, and since when."""
_OBJECTS: Final = "objects"
"""Name of the handler that writes one JSON object a line."""


def set_up_logs(
    level: Literal["debug", "info", "warning", "error"] = "info",
    style: Literal["auto", "console", "json"] = "auto",
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Set up how the process logs; to be called once, before the first line.

    Args:
        level: lowest level that is written.
        style: ``auto`` is columns on a terminal and JSON elsewhere.
        stream: where to; standard error by default, since standard output belongs to what a command answers.
        clock: monotonic seconds, for holding back repeats.
    """
    target = sys.stderr if stream is None else stream
    console = style == "console" or (style == "auto" and target.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendered: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _without_secrets,
        structlog.dev.ConsoleRenderer(colors=target.isatty()) if console else structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            Repeats(REPEAT_SECONDS, clock),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.set_name("columns" if console else _OBJECTS)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=rendered))
    logging.captureWarnings(capture=True)
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught
    sys.excepthook = log_failure
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LIBRARIES)
    for library in SAID_BESIDES:
        logging.getLogger(library).setLevel(logging.ERROR)
    for ours in ("watcher", "handlers"):
        logging.getLogger(ours).setLevel(level.upper())


def writes_objects() -> bool:
    """Return whether the process' lines are JSON objects, which somebody parses."""
    return any(handler.get_name() == _OBJECTS for handler in logging.getLogger().handlers)


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Log what Python can raise nowhere, e.g. in a callback that C calls; it would write past the logs."""
    _log_uncaught("exception.ignored", found.exc_value, where=repr(found.object))


def _uncaught(found: threading.ExceptHookArgs) -> None:
    """Log what ends a thread that is nobody's."""
    _log_uncaught("thread.ended", found.exc_value, where=found.thread.name if found.thread else None)


def log_failure(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    """Log what ends the process and nobody has foreseen; takes what ``sys.excepthook`` takes."""
    _log_uncaught("process.failed", error, where=None)


def _log_uncaught(event: str, error: BaseException | None, where: str | None) -> None:
    structlog.get_logger("watcher").error(event, where=where, error=error, exc_info=error)


def _without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
        elif isinstance(value, BaseException):
            event[key] = redact(f"{type(value).__name__}: {value}")
    return event
