"""What the kernel says of a process (``man 5 proc``)."""

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far, user and system, all threads (``/proc/PID/stat``, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family_cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of those that it has started and that still run, all threads."""
    return cpu_seconds(pid) + sum(map(family_cpu_seconds, _children(pid)))


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def peak_rss_mb(pid: int) -> float:
    """Highest resident memory of a process so far, in MB (``VmHWM`` of ``/proc/PID/status``).

    Raises:
        ValueError: the process is gone.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise ValueError(f"process {pid} has no memory any more")
    return int(found[1]) / 1024
