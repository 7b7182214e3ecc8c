"""``python -m benchmarks``: measure, print a table, keep the numbers in ``benchmarks/results.json``.

``--only cdc`` or ``--only freshness`` (or ONLY in the environment) measures that alone; what was measured before stays.
"""

import argparse
import importlib
import os
import signal
import sys

from rich.console import Console

from benchmarks.results import Result, merge, show

KNOWN = ("cdc", "entries", "freshness", "idle", "page", "ranking", "pairs", "rebuild", "reconcile", "settle", "votes")
WHEN_ASKED_FOR = ("settle_by_hash",)
"""Takes long, and has no goal."""


def main() -> int:
    """Exit code 0 if every goal is reached, 1 if one is not, 2 for an unknown name."""
    every = (*KNOWN, *WHEN_ASKED_FOR)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), help=f"one of {', '.join(every)}")
    only = parser.parse_args().only
    if only and only not in every:
        parser.error(f"there is no benchmark {only!r}; choose from {', '.join(every)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    results: list[Result] = []
    try:
        for name in [only] if only else KNOWN:
            console.print(f"benchmark: {name}")
            measured = importlib.import_module(f"benchmarks.{name}").measure(console)
            merge(measured)
            results += measured
    except KeyboardInterrupt:
        return 130
    show(results, console)
    missed = [result.name for result in results if result.met is False]
    print(f"bench: {'goals missed: ' + ', '.join(missed) if missed else 'ok'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
