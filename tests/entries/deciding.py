"""A process that decides the entries of a site once, to be killed at any of its fail points."""

import os
from functools import partial

from tests.entries.site import Heard
from watcher.entries.decider import Decider
from watcher.entries.watch_entries import WatchEntries
from watcher.model.entry_decision import FeePolicy
from watcher.postgres.session import open_session

if __name__ == "__main__":
    connect = partial(open_session, os.environ["SITE_DSN"], os.environ["SITE_SCHEMA"])
    entries = WatchEntries(connect, Decider(FeePolicy(), "watch"), Heard(), sweep_seconds=0.0)
    entries.turn()
    entries.end()
