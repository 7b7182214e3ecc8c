"""A request to an answer, as the site's notification service gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stack.notification_service import TOKEN
from stack.notification_service.queue import NOBODY, Sent
from stack.simulator.refused import RefusedRequest

if TYPE_CHECKING:
    from stack.notification_service.queue import Queue
    from stack.simulator.server import SimulatorRequest

CATEGORIES = frozenset(("Comment", "Update", "Milestone", "Bounty", "Buzz", "Creator", "Referral", "System", "Other"))
"""What notifications may be filed under; there is no ``Crucible``."""
MAX_BULK = 1_000
"""Notifications of one request."""


class NotificationRoutes:
    """The interface, over the queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def answer(self, request: SimulatorRequest) -> tuple[int, Any]:
        """Answer a request.

        Raises:
            Refused: nothing was queued.
        """
        if not _is_let_in(request):
            raise RefusedRequest(401, "unauthorized")
        if request.method != "POST":
            raise RefusedRequest(404, "no such route")
        match request.parts:
            case ["notifications"]:
                return 202, _queued(self._create(request.body))
            case ["notifications", "bulk"]:
                return 202, _queued(self._bulk(request.body))
            case ["notifications", "exists"]:
                return 200, {"exists": self._queue.exists(_text(request.body, "key"))}
        raise RefusedRequest(404, "no such route")

    def _create(self, body: Any) -> int:
        """Queue one notification for those of its recipients who want it."""
        users = [*body.get("userIds", []), *([body["userId"]] if "userId" in body else [])]
        if "debounceSeconds" in body and "dedupeKey" in body:
            raise RefusedRequest(400, "debounceSeconds and dedupeKey exclude each other")
        sent = _sent(body, users)
        wanted = self._queue.wanted(sent.users, sent.type)
        return self._queue.put([Sent(sent.key, sent.type, sent.category, sent.details, wanted)])

    def _bulk(self, body: Any) -> int:
        """Queue many; who opted out is not looked at."""
        if not isinstance(body, list) or not 1 <= len(body) <= MAX_BULK:
            raise RefusedRequest(400, f"expected a list of 1 to {MAX_BULK}")
        return self._queue.put([_sent(one, one.get("users", [])) for one in body])


def _queued(number: int) -> dict[str, Any]:
    return {"status": "queued", "queued": number}


def _is_let_in(request: SimulatorRequest) -> bool:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return f"Bearer {TOKEN}" == headers.get("authorization") or headers.get("x-webhook-token") == TOKEN


def _sent(body: Any, users: list[Any]) -> Sent:
    if (category := _text(body, "category")) not in CATEGORIES:
        raise RefusedRequest(400, f"category: expected one of {', '.join(sorted(CATEGORIES))}, given {category}")
    if not isinstance(body.get("details"), dict):
        raise RefusedRequest(400, "details: expected an object")
    if not users or not all(type(user) is int for user in users):
        raise RefusedRequest(400, "expected at least one recipient, as whole numbers")
    recipients = tuple(user for user in users if user != NOBODY)
    return Sent(_text(body, "key"), _text(body, "type"), category, body["details"], recipients)


def _text(body: Any, name: str) -> str:
    if not isinstance(body, dict) or not isinstance(body.get(name), str) or not body[name]:
        raise RefusedRequest(400, f"{name}: expected a text")
    return str(body[name])
