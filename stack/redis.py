"""Redis: from the PATH, or the binary out of a pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from stack import probe, redis_binary
from stack.leashed import Program
from stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Fsync = Literal["everysec", "always"]


class Redis(Part):
    """A Redis as the watcher asks for it: append-only file, nothing evicted."""

    name: ClassVar[str] = "redis"

    def __init__(self, folder: Path, *, port: int, appendfsync: Fsync = "everysec") -> None:
        super().__init__(folder)
        self.port = port
        self._appendfsync = appendfsync

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the server's port, as ``redis``."""
        return {"redis": self.port}

    @property
    def url(self) -> str:
        """Return what clients connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    def fetch(self) -> None:
        """Find or download the binary."""
        redis_binary.server()

    def prepare(self) -> None:
        """Make the folder for the append-only file."""
        (self.folder / "data").mkdir(exist_ok=True)

    def program(self) -> Program:
        """Run the server, everything on its command line."""
        settings: dict[str, str] = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder / "data"),
            "appendonly": "yes",
            "appendfsync": self._appendfsync,
            "maxmemory-policy": "noeviction",
            # Larger hashes are packed into a string otherwise, through which a vote would search from end to end.
            "hash-max-ziplist-entries": "32",
            "save": "",
            "daemonize": "no",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return Program(
            [str(redis_binary.server()), *arguments],
            log=self.log,
            environ=self.surroundings(),
            folder=self.folder,
        )

    def answers(self) -> bool:
        """Ask with PING; while the append-only file is loaded the answer is an error."""
        return probe.answer(self.port, b"PING\r\n") == b"+PONG\r\n"
