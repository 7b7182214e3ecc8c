"""``python -m demo``: the main job on the production topology, all on this machine, audited at the end."""

import argparse
import signal
import sys
import time
import traceback
from types import FrameType

from rich.console import Console

from demo.places import UNREACHABLE
from demo.play import PlayRequest, play
from demo.program import ProgramError
from demo.verdict import OK, verdict
from stack.unavailable import NotReady, Unavailable

INTERRUPTED = 130


def main() -> int:
    """Play the demo; the last line says how it went, the exit code too."""
    request = _arguments()
    console = Console()
    began = time.monotonic()
    # SIGINT too: a shell that runs the demo in the background has it ignored, and Python then leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        report = play(request, console)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)
    except (ProgramError, NotReady, Unavailable, *UNREACHABLE) as error:
        return _failed(str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the last line is the verdict
        traceback.print_exc(file=sys.stdout)
        return _failed(f"an error in the demo itself: {type(error).__name__}: {error}".partition("\n")[0])
    said = verdict(report, time.monotonic() - began, voted=bool(request.votes))
    if not said.startswith(OK):
        return _failed(said)
    print(f"demo: {said}", flush=True)
    return 0


def _failed(why: str, code: int = 1) -> int:
    """Details first, so that the last line is the verdict."""
    first, _, rest = why.partition("\n")
    if rest:
        print(rest, flush=True)
    print(f"demo: FAILED {first.replace('Its log ends:', 'The end of its log is above.')}", flush=True)
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> PlayRequest:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=PlayRequest().seconds, help="how long the site is busy")
    parser.add_argument("--rate", type=float, default=PlayRequest().rate, help="row changes a second")
    parser.add_argument("--votes", type=float, default=PlayRequest().votes, help="votes a second, 0 for none")
    parser.add_argument("--seed", type=int, default=PlayRequest().seed, help="of the simulator's random numbers")
    parser.add_argument("--keep", action="store_true", help="stay up after the audit, until Ctrl-C")
    given = parser.parse_args()
    if given.seconds <= 0 or given.rate <= 0:
        parser.error("--seconds and --rate must be above 0")
    if given.votes < 0:
        parser.error("--votes must not be below 0")
    return PlayRequest(seconds=given.seconds, rate=given.rate, votes=given.votes, seed=given.seed, keep=given.keep)


if __name__ == "__main__":
    sys.exit(main())
