"""ClickHouse: its engine behind its HTTP interface, one process."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, ClassVar

from stack import probe
from stack.cache import PROJECT
from stack.leashed import Program
from stack.part import Part
from stack.unavailable import EXTRA, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

USER = "crucible"


class ClickHouse(Part):
    """The HTTP door in front of chDB; clients see a ClickHouse server."""

    name: ClassVar[str] = "clickhouse"

    def __init__(self, folder: Path, *, port: int, password: str) -> None:
        super().__init__(folder)
        self.port = port
        self.user = USER
        self.password = password

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the port of the HTTP interface, as ``clickhouse``."""
        return {"clickhouse": self.port}

    def fetch(self) -> None:
        """See that the engine is installed: it is a wheel, not a download of ours."""
        if importlib.util.find_spec("chdb") is None:
            raise Unavailable("clickhouse", f"chdb is not installed; {EXTRA}")

    def prepare(self) -> None:
        """Make the data folder."""
        (self.folder / "data").mkdir(exist_ok=True)

    def program(self) -> Program:
        """Run the door. The password goes by environment: a command line is everyone's to read."""
        door = [sys.executable, "-m", "stack.clickhouse_door", "--host", "127.0.0.1", "--user", self.user]
        environ = {"CLICKHOUSE_DOOR_PASSWORD": self.password, "PYTHONPATH": str(PROJECT)}
        return Program(
            [*door, "--port", str(self.port), "--path", str(self.folder / "data")],
            log=self.log,
            environ=self.surroundings() | environ,
            folder=self.folder,
        )

    def answers(self) -> bool:
        """Tell whether ``GET /ping`` is answered."""
        return probe.http_status(self.port, "/ping") == 200
