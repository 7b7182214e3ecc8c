"""``python -m demo.simulator``: the site as a process of its own, until its time is over or it gets SIGTERM."""

import argparse
import json
import os
import sys
from contextlib import nullcontext

from demo.simulator.simulator import Bounds, Simulator
from demo.simulator.till import Till
from stack.ending import EndSignal


def main() -> int:
    """Play, then print what was done as one line of JSON."""
    options = _arguments()
    if not options.dsn:
        print("--dsn or CRUCIBLE_POSTGRES__DSN must give the site's database", file=sys.stderr)
        return 78
    ending = EndSignal()
    bounds = Bounds(entries=options.max_entries, crucibles=options.max_crucibles)
    with (
        Till(options.buzz) if options.buzz else nullcontext() as till,
        Simulator(options.dsn, options.seed, rate=options.rate, bounds=bounds, till=till) as simulator,
    ):
        print(json.dumps({"state": "playing", "crucibles": len(simulator.site.crucibles)}), flush=True)
        tally = simulator.run(options.seconds, ending.wait)
        done = {
            "state": "done",
            "changes": tally.changes,
            "rolled_back": tally.rolled_back,
            "refused": tally.refused,
            "scenes": dict(tally.scenes),
            "committed": simulator.committed().by_table,
        }
        print(json.dumps(done), flush=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.simulator", description=__doc__)
    parser.add_argument("--dsn", default=os.environ.get("CRUCIBLE_POSTGRES__DSN"), help="libpq connection string")
    parser.add_argument("--buzz", help="base address of the Buzz service; without it every crucible is free")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to play (default 60)")
    parser.add_argument("--rate", type=float, default=200.0, help="row changes a second to aim at (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default 1)")
    parser.add_argument("--max-entries", type=int, default=Bounds().entries, help="entries alive at most, roughly")
    parser.add_argument(
        "--max-crucibles", type=int, default=Bounds().crucibles, help="crucibles alive at most, roughly"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
