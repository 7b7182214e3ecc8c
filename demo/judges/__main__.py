"""``python -m demo.judges``: the judges as a process of their own, until their time is over or SIGTERM."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from random import Random

import httpx
import psycopg

from demo.judges.ledger import JudgesLedger
from demo.judges.panel import Panel, PanelPace
from demo.sign_in import SignIn

SECRET = "DEMO_SIGN_IN_SECRET"  # noqa: S105 - the variable's name
USERS = "SELECT id FROM \"User\" WHERE username LIKE 'user-%' ORDER BY id"
OPEN = "SELECT id FROM \"Crucible\" WHERE status = 'Active' ORDER BY id"
LOOK_SECONDS = 1.0
"""Seconds between two looks at which crucibles are open."""
PATIENCE_SECONDS = 15.0
"""Seconds for an answer."""


def main() -> int:
    """Judge, then print what was done as one line of JSON."""
    given = _arguments()
    secret, dsn = os.environ.get(SECRET), os.environ.get("CRUCIBLE_POSTGRES__DSN")
    if not secret or not dsn:
        print(f"{SECRET} and CRUCIBLE_POSTGRES__DSN must be set", file=sys.stderr)
        return 78
    told = asyncio.run(_judge(given, SignIn(secret), dsn))
    print(json.dumps({"state": "done", **told}), flush=True)
    return 0


async def _judge(given: argparse.Namespace, sign_in: SignIn, dsn: str) -> dict[str, int]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.call_later(given.seconds, stop.set)
    ledger = JudgesLedger(given.ledger)
    limits = httpx.Limits(max_connections=given.at_once, max_keepalive_connections=given.at_once)
    try:
        async with (
            httpx.AsyncClient(base_url=given.api, timeout=PATIENCE_SECONDS, limits=limits, trust_env=False) as client,
            await psycopg.AsyncConnection.connect(dsn, autocommit=True) as site,
        ):
            panel = Panel(
                client, sign_in, ledger, Random(given.seed), PanelPace(rate=given.rate, at_once=given.at_once)
            )
            panel.users = [one for (one,) in await (await site.execute(USERS)).fetchall()]
            watching = asyncio.create_task(_watch(panel, site))
            print(json.dumps({"state": "judging", "judges": len(panel.users)}), flush=True)
            try:
                await panel.judge(stop)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            return dict(sorted(panel.told.items()))
    finally:
        ledger.close()


async def _watch(panel: Panel, site: psycopg.AsyncConnection[tuple[int]]) -> None:
    """Know which crucibles are open."""
    while True:
        panel.crucibles = [one for (one,) in await (await site.execute(OPEN)).fetchall()]
        await asyncio.sleep(LOOK_SECONDS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.judges", description=__doc__)
    parser.add_argument("--api", required=True, help="base address of the API")
    parser.add_argument("--ledger", type=Path, required=True, help="file that answers are written to")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=PanelPace().rate, help="votes a second")
    parser.add_argument("--at-once", type=int, default=PanelPace().at_once, help="judges at the same moment")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
