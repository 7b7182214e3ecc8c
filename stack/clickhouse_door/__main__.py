"""Open the door: ``python -m stack.clickhouse_door --path DIR --port N``."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from stack.clickhouse_door.engine import Engine
from stack.clickhouse_door.server import Credentials, Door
from stack.ending import EndSignal

# Seconds for statements that are running when a stop is asked for. A supervisor's usual patience is 10.
PATIENCE_SECONDS = 8.0


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; finish what runs, flush Buffer tables, leave."""
    given = _parser().parse_args(argv)
    password = os.environ.get("CLICKHOUSE_DOOR_PASSWORD", "") if given.password is None else given.password
    try:
        engine = Engine(given.path)
    except RuntimeError as error:
        print(f"clickhouse-door: {error}", file=sys.stderr)
        return 1
    door = Door((given.host, given.port), engine, Credentials(given.user, password))
    ending = EndSignal()
    threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"clickhouse-door: ready on http://{given.host}:{door.server_port} (ClickHouse {engine.version})", flush=True)
    ending.wait()
    door.shutdown()
    finished = door.wait_until_idle(PATIENCE_SECONDS)
    door.server_close()
    if finished:
        engine.close()
    # Threads of idle connections are still there, and the engine must not be torn down under them.
    sys.stdout.flush()
    os._exit(0 if finished else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack.clickhouse_door", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="data folder, made if absent; one process at a time")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=8123, help="port to listen on; 0 takes a free one and prints it")
    parser.add_argument("--user", default="default", help="the one user (default: default)")
    parser.add_argument("--password", help="its password; better by environment: CLICKHOUSE_DOOR_PASSWORD")
    return parser


if __name__ == "__main__":
    sys.exit(main())
