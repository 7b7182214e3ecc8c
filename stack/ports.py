"""Ports that stay ours while a part is down."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from stack.cache import cache_folder

# Ports below this are likely to be someone's standard port.
FIRST = 20_000
# Where outgoing connections take their ports from when the kernel does not say.
EPHEMERAL = 32_768


class Ports:
    """Reserve loopback ports until closed.

    They lie below the range of outgoing connections: a port from inside it could be taken by any client while a
    killed part is down, and the part could not come back. A lock file each keeps two stacks of one user apart.
    """

    def __init__(self) -> None:
        self._shelf = cache_folder() / "ports"
        self._shelf.mkdir(parents=True, exist_ok=True)
        self._locks: list[FileLock] = []
        self._random = random.SystemRandom()

    def take(self, wanted: int | None = None) -> int:
        """Return a free port: the wanted one if it is free."""
        while True:
            port = wanted or self._random.randrange(FIRST, _first_ephemeral())
            wanted = None
            # Whoever closes these may be another thread than took them.
            lock = FileLock(self._shelf / str(port), thread_local=False)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            if _is_free(port):
                self._locks.append(lock)
                return port
            lock.release()

    def close(self) -> None:
        """Give all ports back."""
        while self._locks:
            lock = self._locks.pop()
            Path(lock.lock_file).unlink(missing_ok=True)  # before the release: a lock on a nameless file is refused
            lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Closed connections of the port's last holder linger for a minute; a listener is seen all the same.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _first_ephemeral() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return EPHEMERAL
    return first if first > FIRST + 1000 else EPHEMERAL
