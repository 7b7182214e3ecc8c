"""How the suite is divided between the processes of ``pytest -n``.

A folder's tests share real parts that are slow to start, so a folder stays in one process. What takes longest begins
first, so that nobody is left with it at the end.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.minutes import Minutes

if TYPE_CHECKING:
    from xdist.scheduler.loadscope import LoadScopeScheduling

LONG = (
    "votes", "acceptance", "arena", "pipeline", "api", "entries", "demo", "migration", "connector", "settlement",
    "reconcile", "admin", "unit", "contract", "stack", "postgres", "buzz",
)  # fmt: skip
"""Folders in the order in which they begin, the longest first; the others follow."""
HALVED = {"votes": "test_p"}
"""Folders whose files from this name on are another process' affair, with parts of its own."""
IN_MEMORY = "/dev/shm"  # noqa: S108 - it is asked for because it is what it is
ROOM_BYTES = 8 << 30
"""Bytes that must be free, of the file system and of the machine's memory; a run was seen to need a sixth of them."""


def write_to_memory() -> None:
    """Have what the suite writes lie in memory, where there is room, unless ``TMPDIR`` says where it is to lie.

    It survives what is promised to be survived, kill -9. The parts make and remove files by the hundred thousand, and
    with some file systems (ext4 without a journal passes by every inode that was freed within minutes, one by one) that
    was a third of what ClickHouse cost.
    """
    if "TMPDIR" in os.environ:
        return
    with suppress(OSError):
        found, machine = os.statvfs(IN_MEMORY), Path("/proc/meminfo").read_text()
        available = re.search(r"MemAvailable: *(\d+) kB", machine)
        room = min(found.f_bavail * found.f_frsize, int(available[1]) << 10 if available else 0)
        if room >= ROOM_BYTES and not found.f_flag & os.ST_NOEXEC and os.access(IN_MEMORY, os.W_OK | os.X_OK):
            os.environ["TMPDIR"] = IN_MEMORY
            tempfile.tempdir = None


write_to_memory()
# How long an example takes is the machine's affair: on a busy one, Hypothesis would call its own strategies too slow.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")


def folder_of(nodeid: str) -> str:
    """The folder below ``tests`` that a test belongs to."""
    return nodeid.split("/")[1]


def scope_of(nodeid: str) -> str:
    """What one process runs as a whole: a folder, or a half of one that would take longer than all others."""
    folder, file = folder_of(nodeid), nodeid.partition("::")[0].rpartition("/")[2]
    return f"{folder}, second half" if file >= HALVED.get(folder, "~") else folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make soak`, and where the minutes go."""
    parser.addoption("--soak", action="store_true", help="outages as long as they are promised to be survived")
    parser.addoption("--minutes", action="store_true", help="add a table of processor and wall time by folder and file")


def pytest_configure(config: pytest.Config) -> None:
    """Count the minutes if somebody asked for them."""
    if config.getoption("--minutes"):
        config.pluginmanager.register(Minutes())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long folders first; the order within a folder stays. What takes minutes waits for `make soak`."""
    for item in items:
        if (soak := item.get_closest_marker("soak")) and not config.getoption("--soak"):
            item.add_marker(pytest.mark.skip(reason=f"{soak.args[0]}: make soak"))
    items.sort(key=lambda item: LONG.index(folder) if (folder := folder_of(item.nodeid)) in LONG else len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand out folders, in the order in which they were collected."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class Folders(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    config.option.loadscopereorder = False
    return Folders(config, log)
