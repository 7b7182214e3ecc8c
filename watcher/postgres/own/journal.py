"""What the watcher remembers, for one consumer group: a connection per call, because calls are rare and may wait."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from watcher.model.effects import ReconcileNeeded
from watcher.model.extent import Extent
from watcher.model.farthest import Farthest
from watcher.model.postgres_look import PostgresLook
from watcher.model.stream import Partition
from watcher.model.table_pause import TablePause
from watcher.postgres.own import beat, history, marker, published, reconcile_needed, table_pause
from watcher.postgres.pooling import is_pooled
from watcher.postgres.session import Session, open_session


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
    tables: tuple[str, ...] = ()
    """The watched tables with their schemas; those that are not published are told."""

    def load(self) -> tuple[int, dict[Partition, str], dict[ReconcileNeeded, Extent], dict[str, TablePause]]:
        """Return PostgreSQL's history, topic ids of the partitions that the group has read, needs, and paused tables.

        Raises:
            HistoryChangedError: log positions may have fallen since the number was given.
            SplitTransactionsError: a pooler takes transactions apart, so that nothing could be noted as a whole.
        """
        with self._session() as session:
            is_pooled(session)
            number, seen = history.check(session), marker.load(session, self.group)
            return number, seen, _needs(session), table_pause.paused(session, self.group)

    def save(
        self, seen: dict[Partition, str], needed: dict[ReconcileNeeded, Extent], farthest: Farthest | None = None
    ) -> PostgresLook:
        """Write down what is new, look whether PostgreSQL is still the same one, write a beat, and say what there is.

        Args:
            seen: topic ids of partitions that the group has begun to read.
            needed: tables that need a comparison, and where that was found.
            farthest: how far the stream is known to have been; None: no beat is written.

        Raises:
            HistoryChangedError: log positions may have fallen, or have; what is new is written down.
        """
        with self._session() as session:
            if seen or needed:
                with session.together():
                    for (topic, partition), topic_id in seen.items():
                        marker.remember(session, self.group, topic, partition, topic_id)
                    for need in sorted(needed, key=lambda one: (one.table, one.reason)):
                        reconcile_needed.note(session, need.table, need.reason, needed[need])
            history.check(session)
            paused = table_pause.paused(session, self.group)
            if farthest is None:
                return PostgresLook(_needs(session), paused=paused)
            standing = beat.standing(session)
            history.check_end_of_log(session, standing, farthest)
            written = beat.write(session) or standing.beat
            now = published.published(session, self.tables) if self.tables else {}
            return PostgresLook(
                _needs(session),
                written,
                unpublished=tuple(table for table, print_ in now.items() if print_ is None),
                republished=published.changed(session, now),
                end_of_log=standing.end_of_log,
                paused=paused,
            )

    def _session(self) -> AbstractContextManager[Session]:
        return open_session(self.dsn, self.schema, self.timeout)


def _needs(session: Session) -> dict[ReconcileNeeded, Extent]:
    return {ReconcileNeeded(need.source_table, need.reason): need.found for need in reconcile_needed.needs(session)}
