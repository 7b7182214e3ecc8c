"""Every route. A new one is a file in ``watcher/api/resources`` and its line in this list.

Each path is one route's: it refuses every other method.
"""

from importlib import import_module
from typing import Final

from watcher.api import resources
from watcher.api.route import Route

MODULES: Final = (
    "vote",
    "pair",
    "skip",
    "standings",
    "stream",
    "entry_check",
    "my_entries",  # before the entry's, which would take "mine" for its id
    "entry",
    "history",
    "comments",
    "discussion",
    "crucible",
    "own_votes",
    "judge",
)
"""The modules whose ``ROUTES`` are served, in the order in which a request is compared with them: what is asked most
comes first."""

ROUTES: Final[tuple[Route, ...]] = tuple(
    route for module in MODULES for route in import_module(f"{resources.__name__}.{module}").ROUTES
)
