"""Brings the sinks to what they should be, straight from the change log: no stream, no plans, no shortcuts to share."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import md5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demo.places import Places

COLUMNS = (
    "entityType", "entityId", "userId", "metricType", "metricValue", "createdAt",
    "source", "sourceKey", "sourceLsn", "sourceId", "sourceIndex",
)  # fmt: skip


def bring_over(places: Places) -> None:
    """Write every row that the log calls for, and every rating."""
    rows = []
    log = "SELECT number, tbl, key, crucible_before, crucible_after, user_before, user_after FROM site_change_log"
    for number, table, key, *ends in places.postgres.execute(log):
        for index, row in enumerate(_deltas(table, *ends)):
            identity = md5(str(number).encode(), usedforsecurity=False).digest()
            rows.append((*row, datetime.now(UTC), table, key, number, identity, index))
    places.clickhouse.insert("entityMetricEvents", rows, column_names=COLUMNS)
    for crucible, entry in places.postgres.execute('SELECT "crucibleId", id FROM "CrucibleEntry"'):
        places.redis.hset(f"crucible:{crucible}:elo", str(entry), "1500")


def _deltas(
    table: str, from_crucible: int | None, to_crucible: int | None, from_user: int | None, to_user: int | None
) -> list[tuple[str, int, int, str, int]]:
    if table == "Crucible":
        if from_user == to_user:
            return []
        ends = ((from_user, -1), (to_user, 1))
        return [("User", user, user, "crucibleCount", value) for user, value in ends if user is not None]
    if (from_crucible, from_user) == (to_crucible, to_user):
        return []
    rows: list[tuple[str, int, int, str, int]] = []
    for crucible, user, value in ((from_crucible, from_user, -1), (to_crucible, to_user, 1)):
        if crucible is not None and user is not None:
            rows += [("Crucible", crucible, user, "Entry", value), ("User", user, user, "crucibleEntryCount", value)]
    return rows
