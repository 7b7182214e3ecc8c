"""Serve: ``python -m stack.notification_service --path FILE --port N``."""

from __future__ import annotations

from stack.notification_service.service import NotificationService
from stack.simulator.serve import serve

if __name__ == "__main__":
    raise SystemExit(serve("notification_service", NotificationService))
