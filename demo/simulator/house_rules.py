"""What crucibles say of entering them: fees, levels, resources, limits."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class HouseRules:
    """The columns of a crucible that decide who may enter."""

    level: int = 31
    """Flags of the levels that are allowed."""
    fee: int = 0
    """Buzz."""
    limit: int = 1
    """Entries of one user."""
    most: int | None = None
    """Entries of all; None: no limit."""
    resources: str | None = None
    """JSON of the model versions that are allowed."""


PRIZES = (
    '[{"position": 1, "percentage": 50}, {"position": 2, "percentage": 30}, {"position": 3, "percentage": 20}]',
    '{"1": 60, "2": 33.3}',
)
"""How a pool is divided, in both shapes that the site has."""
PLAIN = HouseRules()
FAVOURITE = HouseRules(limit=50)
"""The first crucible's, where half of the judges are: nobody waits for a fee."""
CONTEST = HouseRules(fee=10, limit=50)
"""The second's, in which there is something to be won."""
ANY = (
    HouseRules(limit=20),
    HouseRules(limit=5, most=60),
    HouseRules(fee=10, limit=20),
    HouseRules(fee=50, limit=3, most=40),
    HouseRules(fee=10, limit=10, level=3),
    HouseRules(level=1, limit=10),
    HouseRules(level=28, limit=10),
    HouseRules(resources="[70, 71]", limit=20),
    HouseRules(resources="[70]", fee=25, limit=5),
    HouseRules(resources='{"baseModels": ["SDXL"]}'),  # nobody can read it, so nobody gets in
)
CHANGES: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("nsfwLevel", (31, 3, 28)),
    ("allowedResources", (None, "[70, 71]", "[72]")),
    ("entryLimit", (2, 20)),
    ("maxTotalEntries", (None, 20)),
    ("entryFee", (10, 25)),
)
"""Columns that somebody changes, and to what."""


def any_rules(rng: Random) -> HouseRules:
    """Return the rules of a new crucible."""
    return rng.choice(ANY)


def any_change(rng: Random) -> tuple[str, object]:
    """Return a column and its new value."""
    column, values = rng.choice(CHANGES)
    return column, rng.choice(values)
