"""Where the suite's minutes go: ``pytest --minutes`` adds a table of them by folder and by file.

Processor time is what a change can be judged by; wall time on a shared machine cannot. Counted is what the worker used,
what its children used that have ended, and what those use that still run: a part that a folder shares is charged to the
files in whose time it worked.
"""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALLEST_SHOWN_SECONDS = 2.0
"""Processor time below which a file has no line of its own; its folder counts it all the same."""


def used_seconds() -> float:
    """Return the processor seconds of this process and all its descendants so far, ended ones included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    used = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    for child in psutil.Process(os.getpid()).children(recursive=True):
        try:
            used += sum(child.cpu_times()[:4])
        except psutil.Error:  # ended meanwhile, and counted with its parent from now on
            continue
    return used


class Minutes:
    """Adds up the tests, wall seconds and processor seconds of each test file, over all workers."""

    def __init__(self) -> None:
        self._of: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        self._since: tuple[float, float] | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        """Read the clocks where a file begins and where it ends, its fixtures' ends included."""
        if self._since is None:
            self._since = time.monotonic(), used_seconds()
        answer = yield
        file = item.nodeid.partition("::")[0]
        self._of[file][0] += 1
        if nextitem is None or nextitem.nodeid.partition("::")[0] != file:
            now = time.monotonic(), used_seconds()
            self._of[file][1] += now[0] - self._since[0]
            self._of[file][2] += now[1] - self._since[1]
            # Between folders a worker waits for the next one, which is nobody's time.
            self._since = None
        return answer  # type: ignore[return-value]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand a worker's sums to the process that prints."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["minutes"] = dict(self._of)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take a worker's sums."""
        for file, sums in getattr(node, "workeroutput", {}).get("minutes", {}).items():
            for number, one in enumerate(sums):
                self._of[file][number] += one

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print folders by what they cost, each followed by its files."""
        folders: dict[str, list[str]] = defaultdict(list)
        for file in self._of:
            folders[file.split("/")[1]].append(file)
        terminalreporter.section("minutes")
        terminalreporter.write_line(f"{'cpu s':>8} {'wall s':>8} {'tests':>6}")
        terminalreporter.write_line(_line("all", self._of.values()))
        for folder, files in sorted(folders.items(), key=lambda one: -sum(self._of[file][2] for file in one[1])):
            terminalreporter.write_line(_line(folder, [self._of[file] for file in files]))
            for file in sorted(files, key=lambda file: -self._of[file][2]):
                if self._of[file][2] >= SMALLEST_SHOWN_SECONDS:
                    terminalreporter.write_line(_line(f"    {file.split('/', 2)[2]}", [self._of[file]]))


def _line(name: str, sums: Any) -> str:
    tests, wall, processor = (sum(column) for column in zip(*sums, strict=True))
    return f"{processor:8.1f} {wall:8.1f} {tests:6.0f}  {name}"
