"""The command line, run to its end as a person would run it."""

import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.forked import Forked

Done = subprocess.CompletedProcess[str]


def crucible(*arguments: str, environ: Mapping[str, str], folder: Path | None = None, timeout: float = 120.0) -> Done:
    """Run ``crucible`` with these arguments.

    Args:
        arguments: a verb and what follows it.
        environ: the whole environment.
        folder: where to run it.
        timeout: seconds that it may take.

    Raises:
        TimeoutError: it took longer, and was killed.
    """
    with tempfile.TemporaryDirectory() as own:
        out, errors = Path(own) / "out", Path(own) / "errors"
        running = Forked(("watcher", *arguments), out, environ, folder or Path(own), errors)
        try:
            code = running.wait(timeout)
        finally:
            running.send_all(signal.SIGKILL)
        return Done(["crucible", *arguments], code, out.read_text(), errors.read_text())
