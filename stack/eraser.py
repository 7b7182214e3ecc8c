"""Remove folders when their owner is gone.

A script of its own, started with ``python -I -S`` before the folders are made. Whatever ends the owner, at whatever
moment of a start, its data goes; and parts that are being killed meanwhile may write a little longer.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

# Seconds between looks, and for the last writer to end.
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 20.0


def main() -> int:
    """Wait until standard input ends or the owner does, then remove the folders that are named."""
    owner, *folders = int(sys.argv[1]), *map(Path, sys.argv[2:])
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    poller = select.poll()
    poller.register(0, select.POLLIN | select.POLLHUP)
    # A forked child of the owner may hold the other end open for longer than the owner lives.
    while not poller.poll(LOOK_SECONDS * 1000 * 5) and os.getppid() == owner:
        pass
    until = time.monotonic() + PATIENCE_SECONDS
    while any(folder.exists() for folder in folders) and time.monotonic() < until:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        time.sleep(LOOK_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
