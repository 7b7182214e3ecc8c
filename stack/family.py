"""Who descends from a process."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Return the children of a process, their children and so on, parents before children."""
    children: dict[int, list[int]] = defaultdict(list)
    for child, parent in _parents():
        children[parent].append(child)
    found: list[int] = []
    ask = [pid]
    while ask:
        born = children[ask.pop(0)]
        found += born
        ask += born
    return found


def _parents() -> list[tuple[int, int]]:
    proc = Path("/proc")
    if not (proc / "self" / "stat").exists():
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        return [(int(pid), int(parent)) for pid, parent in (line.split() for line in listing.stdout.splitlines())]
    pairs = []
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_bytes()
            except OSError:  # ended meanwhile
                continue
            # The name in brackets may itself hold spaces and brackets.
            pairs.append((int(entry.name), int(stat.rpartition(b")")[2].split()[1])))
    return pairs
