"""The watcher as a process of its own, seen from outside: its log, its metrics, its exit code."""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stack.leashed import Leashed, Program
from stack.probe import http_text
from tests.awaiting import PATIENCE_SECONDS, await_that
from tests.forked import Forked

REPOSITORY = Path(__file__).resolve().parents[2]


class Daemon:
    """One run of the watcher.

    Args:
        environ: its settings.
        folder: for its log.
        module: what to run in place of the shipped program, with arguments.
        anew: started as a shell would, with nothing imported: for whom its speed or memory counts.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        folder: Path,
        module: tuple[str, ...] = ("watcher", "run"),
        *,
        anew: bool = False,
    ) -> None:
        self.log = folder / f"watcher-{time.monotonic_ns()}.log"
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
        own = {"LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(folder)}
        whole = kept | own | dict(environ)
        self._running: Forked | Leashed = (
            Leashed(Program([sys.executable, "-m", *module], log=self.log, environ=whole, folder=REPOSITORY))
            if anew
            else Forked(module, self.log, whole, REPOSITORY)
        )
        self.pid = self._running.pid
        self._ops_port: int | None = None

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of its log with this event."""
        found = []
        for line in self.text().splitlines():
            if f'"{name}"' not in line:
                continue
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("event") == name:
                    found.append(event)
        return found

    def text(self) -> str:
        """Its whole log."""
        return self.log.read_text(errors="replace")

    def last_words(self) -> str:
        """The end of its log."""
        return "Its log ends:\n" + "\n".join(self.text().splitlines()[-12:])

    def is_alive(self) -> bool:
        """It runs, or stands still."""
        return self._running.is_alive()

    def is_stopped(self) -> bool:
        """It was suspended (SIGSTOP)."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def await_event(
        self, name: str, timeout: float = PATIENCE_SECONDS, times: int = 1, **having: Any
    ) -> dict[str, Any]:
        """Wait for a line of its log; give the last of them."""

        def came() -> list[dict[str, Any]]:
            return [one for one in self.events(name) if having.items() <= one.items()]

        await_that(
            lambda: len(came()) >= times or not self.is_alive(), f"{name} {having or ''} in the log", timeout,
            self.last_words,
        )  # fmt: skip
        found = came()
        assert len(found) >= times, f"it ended before it said {name}. {self.last_words()}"
        return found[-1]

    def await_exit(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Its exit code; 128 + n after signal n."""
        try:
            return self._running.wait(timeout)
        except TimeoutError:
            pytest.fail(f"it still runs after {timeout:g} s. {self.last_words()}")

    def await_stopped(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until it stands still."""
        await_that(self.is_stopped, "it stops itself", timeout, self.last_words)

    def terminate(self, timeout: float = PATIENCE_SECONDS) -> int:
        """SIGTERM; its exit code."""
        self.send(signal.SIGTERM)
        return self.await_exit(timeout)

    def kill(self) -> int:
        """SIGKILL; its exit code. The leash sees to its descendants: to look for them here is to read all of /proc."""
        self._running.send(signal.SIGKILL)
        return self._running.wait(PATIENCE_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running.send(number)

    def metrics(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Samples by name, each with its labels."""
        return self._metrics("")

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that have these labels."""
        samples = self._metrics(name).get(name, [])
        return sum(value for found, value in samples if labels.items() <= found.items())

    def ready(self) -> dict[str, Any]:
        """What readiness says, by the check's name, and as ``seconds`` how long that took and as ``ok`` the whole."""
        begun = time.monotonic()
        answer = httpx.get(f"http://127.0.0.1:{self._port()}/readyz", timeout=10)
        said = answer.json()
        assert said["ok"] == (answer.status_code == 200)
        checks = {check["name"]: check for check in said["checks"]}
        assert len(checks) == len(said["checks"]), "each stands there once"
        return {"ok": said["ok"], "seconds": time.monotonic() - begun, **checks}

    def _port(self) -> int:
        if self._ops_port is None:
            self._ops_port = int(self.await_event("probes.listening")["port"])
        return self._ops_port

    def _metrics(self, prefix: str) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Samples whose names begin so; the others are not worth reading."""
        text = http_text(self._port(), "/metrics", 10)
        assert text is not None, f"no metrics. {self.last_words()}"
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        some = "\n".join(line for line in text.splitlines() if line.startswith(prefix)) + "\n"
        for family in text_string_to_metric_families(some):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def rss_mb(self) -> float:
        """Resident memory now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0
