"""Who descends from a process."""

from __future__ import annotations

import psutil


def descendants(pid: int) -> list[int]:
    """Return the ids of a process's children, their children and so on, parents before children; none if it is gone."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
