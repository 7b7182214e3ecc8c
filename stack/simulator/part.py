"""A double of one of the site's services, as a part of a stack."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

from stack import probe
from stack.cache import PROJECT
from stack.leashed import Program
from stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SimulatorPart(Part):
    """A double that serves on a port, and keeps everything in one file."""

    package: ClassVar[str]
    """Its package below ``stack``."""

    def __init__(self, folder: Path, *, port: int) -> None:
        super().__init__(folder)
        self.port = port

    @property
    def url(self) -> str:
        """Return the base address of the interface."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the port of the HTTP interface."""
        return {self.name: self.port}

    def fetch(self) -> None:
        """Do nothing: it is ours."""

    def prepare(self) -> None:
        """Do nothing: the file is made when it starts."""

    def program(self) -> Program:
        """Return the command that serves."""
        command = [sys.executable, "-m", f"stack.{self.package}", "--host", "127.0.0.1", "--port", str(self.port)]
        return Program(
            [*command, "--path", str(self.folder / "kept.sqlite")],
            log=self.log,
            environ=self.surroundings() | {"PYTHONPATH": str(PROJECT)},
            folder=self.folder,
        )

    def answers(self) -> bool:
        """Tell whether it serves."""
        return probe.http_status(self.port, "/_simulator/ready") == 200
