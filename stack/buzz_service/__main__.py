"""Serve: ``python -m stack.buzz_service --path FILE --port N``."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from stack.buzz_service.server import BuzzService
from stack.ending import Ending


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m stack.buzz_service", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="file of the books, made if absent")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one and prints it")
    given = parser.parse_args(argv)
    service = BuzzService((given.host, given.port), given.path)
    ending = Ending()
    threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"buzz-service: ready on http://{given.host}:{service.server_port}", flush=True)
    ending.wait()
    service.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
