"""What the watcher remembers, for one consumer group: a connection per call, because calls are rare and may wait."""

from dataclasses import dataclass

from watcher.model.effects import ReconcileNeeded
from watcher.postgres.own import history, marker, reconcile_needed
from watcher.postgres.session import open_session

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PostgresJournalStore:
    """The watcher's own schema as the daemon uses it.

    Every method raises ``TemporaryError`` while PostgreSQL is away, and ``PostgresRefusedError`` where a table or a
    right is missing.
    """

    dsn: str
    schema: str
    group: str
    timeout: float
    """Seconds to wait for a connection, and for each statement."""

    def check_history(self) -> int:
        """Number of PostgreSQL's history.

        Raises:
            HistoryChangedError: log positions may have fallen since the number was given.
        """
        with open_session(self.dsn, self.schema, self.timeout) as session:
            return history.check(session)

    def seen(self) -> dict[Partition, str]:
        """Topic ids of the partitions that the group has read."""
        with open_session(self.dsn, self.schema, self.timeout) as session:
            return marker.load(session, self.group)

    def remember(self, partitions: dict[Partition, str]) -> None:
        """The group has read these partitions."""
        with open_session(self.dsn, self.schema, self.timeout) as session, session.together():
            for (topic, partition), topic_id in partitions.items():
                marker.remember(session, self.group, topic, partition, topic_id)

    def reconcile_needed(self) -> set[ReconcileNeeded]:
        """Tables whose counts only a comparison with PostgreSQL can tell."""
        with open_session(self.dsn, self.schema, self.timeout) as session:
            return {ReconcileNeeded(need.source_table, need.reason) for need in reconcile_needed.needs(session)}

    def note_reconcile(self, needed: set[ReconcileNeeded]) -> None:
        """Only a comparison can tell these tables' counts."""
        with open_session(self.dsn, self.schema, self.timeout) as session, session.together():
            for need in sorted(needed, key=lambda one: (one.table, one.reason)):
                reconcile_needed.note(session, need.table, need.reason)

    def ping(self) -> None:
        """Ask for an answer."""
        with open_session(self.dsn, self.schema, self.timeout) as session:
            session.run("SELECT 1")
