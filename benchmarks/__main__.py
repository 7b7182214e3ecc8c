"""``python -m benchmarks``: measure, print a table, keep the numbers in ``benchmarks/results.json``.

ONLY=cdc or ONLY=freshness measures that alone; what was measured before stays in the file.
"""

import importlib
import os
import signal
import sys

from rich.console import Console

from benchmarks.results import Result, merge, show

KNOWN = ("cdc", "freshness")


def main() -> int:
    """Exit code 0 if every goal is reached, 1 if one is not, 78 for an unknown name."""
    only = os.environ.get("ONLY", "")
    if only and only not in KNOWN:
        print(f"ONLY={only}: there is no such benchmark; choose from {', '.join(KNOWN)}", file=sys.stderr)
        return 78
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
