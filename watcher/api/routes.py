"""Every route, from the modules that have them; what is asked most comes first. A new route's module goes here."""

from typing import Final

from watcher.api.resources import comments, crucible, entry, history, judge, pair, standings, stream, vote
from watcher.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *vote.ROUTES,
    *pair.ROUTES,
    *standings.ROUTES,
    *stream.ROUTES,
    *entry.ROUTES,
    *history.ROUTES,
    *comments.ROUTES,
    *crucible.ROUTES,
    *judge.ROUTES,
)
