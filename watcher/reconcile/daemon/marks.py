"""Compares the marks that PostgreSQL and ClickHouse hold: a store that was set back knows of fewer than the other.

A mark is a number that watchers count up in PostgreSQL, then write into ClickHouse with the position of the log, then
confirm in PostgreSQL. So ClickHouse never holds one that PostgreSQL has not counted, and never lacks one that is
confirmed, unless one of them was replaced by an older copy. Of Redis nothing is needed for that.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final

import structlog

from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.queries import queries
from watcher.model.errors import HistoryChangedError, TemporaryError, WatcherError
from watcher.model.extent import Extent, lsn_text
from watcher.model.need_reason import NeedReason
from watcher.postgres.own import clickhouse_mark, history, reconcile_needed
from watcher.postgres.own.clickhouse_mark import Marked
from watcher.postgres.session import Session
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60.0
"""Seconds between two marks, of all processes together. Longer: a copy that is younger than the last one is told by
nothing; shorter: more small inserts."""
SECOND_LOOK_SECONDS: Final = 10.0
"""Seconds after which ClickHouse is asked again for a mark that it should have. Shorter: a replica that lags looks set
back."""


class CompareMarks:
    """Sets marks and compares them: a task for a worker of the watch role, in any number of processes.

    Args:
        open_session: connects to PostgreSQL.
        link: a connection to ClickHouse.
        watcher: names the watcher among others that may use the same ClickHouse: its schema.
        tables: which are to be compared when ClickHouse was set back.
        every: seconds between two marks.
    """

    def __init__(
        self,
        open_session: Callable[[], AbstractContextManager[Session]],
        link: ClickHouseLink,
        *,
        watcher: str,
        tables: Iterable[str],
        every: float = EVERY_SECONDS,
    ) -> None:
        self.signal, self.retry = Signal(), Retry(1.0, 60.0)
        self._open, self._link, self._watcher = open_session, link, watcher
        self._tables, self._every = tuple(tables), every
        self._doubted = False

    def turn(self) -> float:
        """Compare the marks, and set the next one if it is due; return the seconds until the next look.

        Raises:
            HistoryChangedError: PostgreSQL was set back.
            TemporaryError: a neighbour is away, or refuses.
        """
        try:
            with self._open() as session:
                return self._compare(session)
        except (HistoryChangedError, TemporaryError):
            raise
        except WatcherError as error:  # a right or a migration that is missing ends nothing that counts
            raise TemporaryError(str(error)) from error

    def away(self, error: TemporaryError) -> None:
        """Log that a neighbour is away."""
        log.warning(event_of(error), neighbour="marks", error=str(error))

    def end(self) -> None:
        """Close the connection to the neighbour."""
        self._link.close()

    def _compare(self, session: Session) -> float:
        number = history.check(session)
        # Marks grow meanwhile. Read in this order, each is at least as new as the one that it must not lag behind.
        before = clickhouse_mark.marked(session)
        there = self._there()
        now = clickhouse_mark.marked(session)
        if there[0] > number or (there[0] == number and (there[1] > now.number or there[2] > now.end_of_log)):
            raise history.set_back(session, there[2])
        if before.history == number and there[:2] < (number, before.confirmed):
            if not self._doubted:
                self._doubted = True
                return SECOND_LOOK_SECONDS
            self._note(session, before, there)
        self._doubted = False
        self._set(session, number, now.flushed)
        return self._every

    def _there(self) -> tuple[int, int, int]:
        with self._link.asking() as client:
            (row,) = client.query(queries()["watcher_mark"], parameters={"watcher": self._watcher}).result_rows
        return int(row[0]), int(row[1]), int(row[2])

    def _note(self, session: Session, known: Marked, there: tuple[int, int, int]) -> None:
        place = f"mark {there[1]} at LSN {lsn_text(there[2])}" if there[1] else "no mark"
        found = Extent(f"ClickHouse has {place}", f"it had mark {known.confirmed}")
        log.error(
            "store.set_back", store="clickhouse", found=found.first, before=found.last, next="crucible reconcile --fix"
        )
        with session.together():
            for table in self._tables:
                reconcile_needed.note(session, table, NeedReason.COUNTS_SET_BACK, found)
            clickhouse_mark.forget(session)

    def _set(self, session: Session, number: int, lsn: int) -> None:
        mark = clickhouse_mark.count(session, number, self._every * 0.9)
        if mark is None:
            return
        values = {"watcher": self._watcher, "history": number, "number": mark, "lsn": lsn}
        with self._link.asking() as client:
            client.command(queries()["set_watcher_mark"], parameters=values, settings={"async_insert": 0})
        clickhouse_mark.confirm(session, number, mark)
