"""What the kernel says of a process (``man 5 proc``)."""

import os
import re
from pathlib import Path

import psutil

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far, user and system, all threads (``/proc/PID/stat``, fields 14 and 15)."""
    _, fields = _stat(Path(f"/proc/{pid}"))
    return (int(fields[11]) + int(fields[12])) / TICKS


def thread_cpu_seconds(pid: int) -> dict[str, float]:
    """CPU seconds of a process so far, by the names of its threads."""
    spent: dict[str, float] = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        name, fields = _stat(thread)
        spent[name] = spent.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def family_cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of those that it has started and that still run, all threads."""
    return cpu_seconds(pid) + sum(family_cpu_seconds(child.pid) for child in psutil.Process(pid).children())


def _stat(folder: Path) -> tuple[str, list[str]]:
    """Return the name of a process or thread, and what stands behind it in ``stat``."""
    before, _, after = (folder / "stat").read_text().rpartition(")")
    return before.partition("(")[2], after.split()


def peak_rss_mb(pid: int) -> float:
    """Highest resident memory of a process so far, in MB (``VmHWM`` of ``/proc/PID/status``).

    Raises:
        ValueError: the process is gone.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise ValueError(f"process {pid} has no memory any more")
    return int(found[1]) / 1024
