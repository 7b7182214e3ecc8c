"""Why a connector does not run, in few lines."""

import re
from typing import Final

from watcher.admin.connector.answers import ConnectorStatus
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.secrets import without_secrets

_INTERESTING_TRACE: Final = re.compile(r"^(?:Caused by: )?\S+(?:Exception|Error)\b.*$", re.MULTILINE)


def failure_text(status: ConnectorStatus, file: ConnectorFile) -> str:
    """Return why a connector does not run, without secrets."""
    reasons = (without_secrets(short_trace(trace), [file.config]) for trace in status.traces)
    return f"connector {status.name} has failed:\n" + "\n".join(dict.fromkeys(reasons))


def short_trace(trace: str) -> str:
    r"""Return the lines of a Java stack trace that say what happened: the error and what caused it.

    >>> print(short_trace("a.ConnectException: no\n\tat x.Y(Z.java:1)\nCaused by: b.IOError: gone\n\tat x"))
    a.ConnectException: no
    Caused by: b.IOError: gone
    """
    lines = _INTERESTING_TRACE.findall(trace)
    return "\n".join(dict.fromkeys(lines)) or trace.strip().partition("\n")[0]
