"""A process that settles for some seconds, to be killed at any of its fail points."""

import json
import os
import time
from functools import partial

from tests.entries.site import Heard
from tests.settlement.ballots import MemoryBallots
from tests.settlement.endings import EndingsHeard, dispatchers, watch_endings
from watcher.buzz.http import HttpBuzz
from watcher.postgres.session import open_session
from watcher.runtime.http_client import HttpClient

MAX_SECONDS = 10.0


def settle() -> None:
    """Settle and pay, until killed."""
    connect = partial(open_session, os.environ["SITE_DSN"], os.environ["SITE_SCHEMA"])
    buzz = HttpBuzz(HttpClient("the Buzz service", "buzz.url", os.environ["BUZZ_URL"], 1.0))
    ballots = MemoryBallots()
    for crucible, votes in json.loads(os.environ["VOTES"]).items():
        ballots.votes[int(crucible)] = [(winner, loser) for winner, loser in votes]
    watch = watch_endings(connect, ballots, EndingsHeard(), "killed", lambda _: None)
    paying = dispatchers(connect, buzz, Heard())
    until = time.monotonic() + MAX_SECONDS
    while time.monotonic() < until:
        watch.turn()
        for one in paying:
            while one.turn() == 0.0:
                pass
        time.sleep(0.1)  # between two turns, as the worker that it stands for; it is killed from outside


if __name__ == "__main__":
    settle()
