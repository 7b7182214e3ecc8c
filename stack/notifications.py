"""The notification service's double: the site's HTTP interface for notifications, one process with its own queue."""

from __future__ import annotations

from typing import ClassVar

from stack.notification_service import TOKEN
from stack.simulator.part import SimulatorPart


class Notifications(SimulatorPart):
    """A service that has the interface and the quirks of the site's; see ``stack/notification_service``."""

    name: ClassVar[str] = "notifications"
    package: ClassVar[str] = "notification_service"
    token: ClassVar[str] = TOKEN
    """What clients have to show."""
