"""Serve: ``python -m stack.buzz_service --path FILE --port N``."""

from __future__ import annotations

from stack.buzz_service.service import BuzzService
from stack.simulator.serve import serve

if __name__ == "__main__":
    raise SystemExit(serve("buzz_service", BuzzService))
