"""The command line that every double has: a file for what it keeps, and where to listen."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from stack.ending import EndSignal
from stack.simulator.server import SimulatorServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from stack.simulator.server import Service


def serve(name: str, make: Callable[[Path], Service], argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        name: the package of the double, e.g. ``buzz_service``.
        make: returns the service, given the file that it keeps everything in.
        argv: arguments; None: the process' own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m stack.{name}")
    parser.add_argument("--path", type=Path, required=True, help="file that everything is kept in, made if absent")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one and prints it")
    given = parser.parse_args(argv)
    simulator = SimulatorServer((given.host, given.port), make(given.path))
    ending = EndSignal()
    threading.Thread(target=simulator.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"{name.replace('_', '-')}: ready on http://{given.host}:{simulator.server_port}", flush=True)
    ending.wait()
    simulator.shutdown()
    return 0
