"""What PostgreSQL says should be counted: by the tables as they are, and by the log of every committed change.

Written from what the metrics are documented to mean, and from nothing in the watcher, so that both can be compared.
"""

from collections import Counter
from typing import Any, NamedTuple

import psycopg

Connection = psycopg.Connection[Any]


class ExpectedRow(NamedTuple):
    """A row that ``entityMetricEvents`` should hold, without its time."""

    entity_type: str
    entity_id: int
    user_id: int
    metric_type: str
    value: int


class ExpectedTotal(NamedTuple):
    """What rows add up to."""

    entity_type: str
    entity_id: int
    metric_type: str


ROWS = """
WITH moved AS (
    -- A change that leaves crucible and user as they were counts nothing: it edits a text, or writes a score.
    SELECT * FROM site_change_log
    WHERE (crucible_before, user_before) IS DISTINCT FROM (crucible_after, user_after)
), owned AS (
    SELECT * FROM site_change_log WHERE tbl = 'Crucible' AND user_before IS DISTINCT FROM user_after
)
SELECT entity, id, by_user, metric, value, count(*) FROM (
    SELECT 'Crucible' AS entity, crucible_before AS id, user_before AS by_user, 'Entry' AS metric, -1 AS value
    FROM moved WHERE tbl = 'CrucibleEntry' AND op <> 'c'
    UNION ALL
    SELECT 'Crucible', crucible_after, user_after, 'Entry', 1 FROM moved WHERE tbl = 'CrucibleEntry' AND op <> 'd'
    UNION ALL
    SELECT 'User', user_before, user_before, 'crucibleEntryCount', -1
    FROM moved WHERE tbl = 'CrucibleEntry' AND op <> 'c'
    UNION ALL
    SELECT 'User', user_after, user_after, 'crucibleEntryCount', 1
    FROM moved WHERE tbl = 'CrucibleEntry' AND op <> 'd'
    UNION ALL
    SELECT 'User', user_before, user_before, 'crucibleCount', -1 FROM owned WHERE op <> 'c'
    UNION ALL
    SELECT 'User', user_after, user_after, 'crucibleCount', 1 FROM owned WHERE op <> 'd'
) AS counted
GROUP BY 1, 2, 3, 4, 5
"""

TOTALS = """
SELECT 'Crucible', "crucibleId", 'Entry', count(*) FROM "CrucibleEntry" GROUP BY "crucibleId"
UNION ALL
SELECT 'User', "userId", 'crucibleEntryCount', count(*) FROM "CrucibleEntry" GROUP BY "userId"
UNION ALL
SELECT 'User', "userId", 'crucibleCount', count(*) FROM "Crucible" GROUP BY "userId"
"""

ENTRIES = 'SELECT "crucibleId", array_agg(id) FROM "CrucibleEntry" GROUP BY "crucibleId"'

OVER = "SELECT id FROM \"Crucible\" WHERE status IN ('Completed', 'Cancelled')"

EVERY_CRUCIBLE = """
SELECT id FROM "Crucible"
UNION SELECT crucible_before FROM site_change_log WHERE crucible_before IS NOT NULL
UNION SELECT crucible_after FROM site_change_log WHERE crucible_after IS NOT NULL
"""


def rows(postgres: Connection) -> Counter[ExpectedRow]:
    """Return each metric row and how often it should be there, by the change log."""
    return Counter({ExpectedRow(*row): count for *row, count in postgres.execute(ROWS)})


def totals(postgres: Connection) -> dict[ExpectedTotal, int]:
    """Return what each metric should add up to, by counting the tables; metrics that are 0 are not listed."""
    return {ExpectedTotal(*key): count for *key, count in postgres.execute(TOTALS)}


def entries(postgres: Connection) -> dict[int, set[int]]:
    """Return the ids of the entries of each crucible, for every crucible that is there or was."""
    found: dict[int, set[int]] = {crucible: set() for (crucible,) in postgres.execute(EVERY_CRUCIBLE)}
    for crucible, ids in postgres.execute(ENTRIES):
        found[crucible] = set(ids)
    return found


def over(postgres: Connection) -> set[int]:
    """Return the crucibles in which nobody votes any more."""
    return {crucible for (crucible,) in postgres.execute(OVER)}


def changes(postgres: Connection) -> int:
    """Return how many row changes of the two tables were committed."""
    row = postgres.execute("SELECT count(*) FROM site_change_log").fetchone()
    return int(row[0]) if row else 0
