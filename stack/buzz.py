"""The Buzz service's double: the site's HTTP interface for Buzz, one process with books of its own."""

from __future__ import annotations

from typing import ClassVar

from stack.simulator.part import SimulatorPart


class Buzz(SimulatorPart):
    """A service that has the interface and the quirks of the site's; see ``stack/buzz_service``."""

    name: ClassVar[str] = "buzz"
    package: ClassVar[str] = "buzz_service"
