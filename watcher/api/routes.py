"""Every route, from the modules that have them; what is asked most comes first. A new route's module goes here.

Each path is one route's: it refuses every other method.
"""

from typing import Final

from watcher.api.resources import (
    comments,
    crucible,
    discussion,
    entry,
    entry_check,
    history,
    judge,
    my_entries,
    own_votes,
    pair,
    skip,
    standings,
    stream,
    vote,
)
from watcher.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *vote.ROUTES,
    *pair.ROUTES,
    *skip.ROUTES,
    *standings.ROUTES,
    *stream.ROUTES,
    *entry_check.ROUTES,
    *my_entries.ROUTES,  # before the entry's, which would take "mine" for its id
    *entry.ROUTES,
    *history.ROUTES,
    *comments.ROUTES,
    *discussion.ROUTES,
    *crucible.ROUTES,
    *own_votes.ROUTES,
    *judge.ROUTES,
)
