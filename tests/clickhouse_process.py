"""The ClickHouse door as a process of a test: started on a free port, stopped by its own id."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest

from stack.leashed import Leashed, Program
from tests.acceptance.daemon import REPOSITORY
from tests.awaiting import await_that

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

PASSWORD = "door-of-the-tests"


@dataclass(slots=True)
class DoorProcess:
    """One data folder and, while it runs, one process; the port stays the same over restarts."""

    path: Path
    port: int = 0
    _running: Leashed | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start and wait for the line that says that it is ready."""
        command = [sys.executable, "-m", "stack.clickhouse_door", "--path", str(self.path), "--port", str(self.port)]
        environ = os.environ | {"CLICKHOUSE_DOOR_PASSWORD": PASSWORD}
        log = self.path.with_name(f"{self.path.name}-{time.monotonic_ns()}.log")
        self._running = running = Leashed(Program(command, log, environ, REPOSITORY))
        await_that(lambda: "\n" in log.read_text() or not running.is_alive(), "the door says something")
        line = log.read_text()
        if "ready" not in line:
            self.kill()
            pytest.fail(f"the door said {line!r}")
        self.port = int(line.split(" (")[0].rsplit(":", 1)[1])

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; tell the exit code."""
        return self._end(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send any other signal."""
        assert self._running is not None
        self._running.send(number)

    def _end(self, number: signal.Signals) -> int:
        running, self._running = self._running, None
        if running is None:
            return 0
        running.send(number)
        return running.wait(timeout=30)

    def client(self, **given: Any) -> Client:
        """A client without a session, so that threads may share it."""
        options: dict[str, Any] = {"password": PASSWORD, "autogenerate_session_id": False, "compress": False}
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, username="default", **options | given)


@contextmanager
def running_door(path: Path) -> Iterator[DoorProcess]:
    """A door on a folder, gone afterwards whatever happened."""
    door = DoorProcess(path)
    try:
        door.start()
        yield door
    finally:
        door.kill()
