"""Waits for the change stream to be past a position of PostgreSQL's log: what is missing then does not come."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from watcher.admin.offsets import group_places
from watcher.kafka.admin import KafkaAdmin
from watcher.model.errors import StopError
from watcher.postgres.own import repair, table_pause
from watcher.postgres.session import Session

PATIENCE_SECONDS: Final = 300.0
"""Seconds to wait. A connector that has nothing to send tells PostgreSQL where it is once a minute or so."""
LOOK_SECONDS: Final = 1.0
LONG_SECONDS: Final = 15.0
"""Seconds after which who waits is told what to do should nothing come. Sooner: it is told where nothing is wrong."""
MAX_LOOKED_AT: Final = 1_000
"""Records behind that are looked at, whether they are any: what transactions leave is none."""


class StreamStandsError(StopError):
    """Raised when the stream does not get past a position: repairs would be counted twice once it goes on."""


def refuse_paused(session: Session, group: str) -> None:
    """Raise if a person has the changes of a table wait: whoever waits for the stream would wait in vain.

    Args:
        session: asks PostgreSQL.
        group: the watcher's consumer group.

    Raises:
        StreamStandsError: a table is paused; the message says which, since when, and how that is ended.
        TemporaryError: PostgreSQL is away.
    """
    for table, pause in table_pause.paused(session, group).items():
        raise StreamStandsError(f"table {table} is {pause}: `crucible tables resume {table}`, and run this again")


class Stream:
    """The way from PostgreSQL's log to ClickHouse.

    Args:
        session: asks PostgreSQL.
        admin: asks Kafka.
        slot: the connector's.
        group: the watcher's consumer group.
        topics: what it reads.
        told: is told what is waited for.
        pause: waits for some seconds.
        clock: seconds.
    """

    def __init__(
        self,
        session: Session,
        admin: KafkaAdmin,
        *,
        slot: str,
        group: str,
        topics: Iterable[str],
        told: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._admin, self._slot, self._group = session, admin, slot, group
        self._topics, self._told, self._pause, self._clock = list(topics), told, pause, clock

    def await_passed(self, lsn: int) -> None:
        """Wait until every change up to a position has been sent to Kafka, read from there and written.

        It does not wait while a person has a table's changes wait.

        Raises:
            StreamStandsError: it stands; the message says where, and what to do.
            TemporaryError: a neighbour is away.
        """
        refuse_paused(self._session, self._group)
        self._await(
            lambda: self._has_left(lsn),
            f"the slot {self._slot} to pass on what was written until now",
            "see `crucible connector status`, and run this again once it streams",
        )
        self.await_read()

    def await_read(self) -> dict[tuple[str, int], int]:
        """Wait until everything that the topics hold now was read and written; return where they ended, by partition.

        It does not wait while a person has a table's changes wait.

        Raises:
            StreamStandsError: nobody reads; the message says what to do.
            TemporaryError: a neighbour is away.
        """
        refuse_paused(self._session, self._group)
        ends = {place: high for place, (_, high) in self._bounds().items()}
        self._await(
            lambda: self._has_read(ends),
            f"group {self._group} to read and write what is in its topics",
            "start the watcher with `crucible run`, and see `crucible offsets show`",
        )
        return ends

    def _await(self, came: Callable[[], bool], what: str, advice: str) -> None:
        begun = self._clock()
        lines = [
            (0.0, f"waiting for {what}"),
            (LONG_SECONDS, f"still waiting, {PATIENCE_SECONDS:g} s at most: {advice}"),
        ]
        while not came():
            waited = self._clock() - begun
            if waited > PATIENCE_SECONDS:
                raise StreamStandsError(f"waited {PATIENCE_SECONDS:g} s for {what}: {advice}")
            if lines and waited >= lines[0][0]:
                self._told(lines.pop(0)[1])
            self._pause(LOOK_SECONDS)

    def _has_left(self, lsn: int) -> bool:
        found = repair.streamed(self._session, self._slot, lsn)
        if found is None:
            raise StreamStandsError(f"there is no slot {self._slot}: `crucible doctor` says what to do")
        return found[1]

    def _bounds(self) -> dict[tuple[str, int], tuple[int, int]]:
        partitions = self._admin.topics()
        return self._admin.bounds(
            (topic, number) for topic in self._admin.matching(self._topics) for number in range(partitions[topic])
        )

    def _has_read(self, ends: dict[tuple[str, int], int]) -> bool:
        behind = {}
        for one in group_places(self._admin, self._group, self._admin.matching(self._topics)):
            at = one.low if one.committed is None else one.committed
            if at < ends.get((one.topic, one.partition), 0):
                behind[one.topic, one.partition] = at
        if not behind:
            return True
        if sum(ends[place] - at for place, at in behind.items()) > MAX_LOOKED_AT:
            return False
        return self._admin.records_after(behind, 1) == 0
