"""Which names the checks of PostgreSQL look for, and what people do when something is missing."""

from dataclasses import dataclass
from typing import Final

PREPARE: Final = "run debezium/postgres/replication.sql as an administrator"
GRANT: Final = "run debezium/postgres/watcher.sql as an administrator"
HEARTBEAT: Final = "crucible_debezium.heartbeat"
"""Table that the connector's heartbeat writes; debezium/postgres/replication.sql makes it."""


@dataclass(frozen=True, slots=True)
class SourceNames:
    """What the watcher and its connector use in PostgreSQL."""

    tables: tuple[str, ...]
    """Watched tables with their schemas, like ``public.Crucible``."""
    slot: str
    publication: str
