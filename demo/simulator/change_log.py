"""How many changes Postgres itself saw committed."""

from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from demo.simulator.site import Connection

CREATE = Path(__file__).with_name("change_log.sql").read_text(encoding="utf-8")
COUNT = "SELECT tbl, op::text, count(*) FROM site_change_log GROUP BY tbl, op ORDER BY tbl, op"


@dataclass(frozen=True, slots=True)
class CommittedChanges:
    """Committed row changes since the log began."""

    by_table: dict[str, dict[str, int]]
    """Table, then ``c``, ``u`` or ``d``."""

    @property
    def total(self) -> int:
        """Return how many changes there were, over all tables and operations."""
        return sum(sum(operations.values()) for operations in self.by_table.values())


def create(connection: Connection) -> None:
    """Create the log and its triggers, unless they are there. Before the first row, else it is not the truth."""
    with connection.transaction():
        connection.execute(sql.SQL(CREATE))


def committed(connection: Connection) -> CommittedChanges:
    """Return the counts as of now."""
    by_table: dict[str, dict[str, int]] = {}
    with connection.transaction():
        for table, operation, count in connection.execute(COUNT):
            by_table.setdefault(str(table), {})[str(operation)] = count
    return CommittedChanges(by_table)
