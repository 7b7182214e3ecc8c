"""The notification service as a double serves it, and its door for tests: who opted out, who was told, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stack.notification_service.queue import DELIVERY_SECONDS, Queue
from stack.notification_service.routes import NotificationRoutes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stack.simulator.server import SimulatorRequest


class NotificationService:
    """The service.

    Args:
        path: file of the queue.
    """

    def __init__(self, path: Path) -> None:
        self.hollow: Any = {"status": "queued", "queued": 0}
        """Also what the real one answers when its database has failed."""
        self.faults: Sequence[str] = ()
        self._queue = Queue(path)
        self._routes = NotificationRoutes(self._queue)

    def answer(self, request: SimulatorRequest, fault: str) -> tuple[int, Any]:
        """Answer a request of a client.

        Raises:
            Refused: nothing was queued.
        """
        del fault  # there are none but those of every service
        return self._routes.answer(request)

    def told(self, what: str, given: Any) -> Any:
        """Carry out what a test or an audit asks for; None: there is no such door."""
        match what:
            case "opt_out":
                self._queue.opt_out(given["userId"], given["type"])
                return {}
            case "delivery":
                self._queue.delivery_seconds = given.get("seconds", DELIVERY_SECONDS)
                return {}
            case "notifications":
                return self._queue.everything()
        return None
