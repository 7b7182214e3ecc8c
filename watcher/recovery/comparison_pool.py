"""The connections by which comparisons of crucibles reach ClickHouse, lent from one comparison to the next."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from watcher.clickhouse.vote_history import VoteHistory
from watcher.clickhouse.vote_tables import VoteTables
from watcher.votes.drain import Drain


@dataclass(frozen=True, slots=True)
class ComparisonConnections:
    """How one comparison reaches ClickHouse; for one thread at a time."""

    history: VoteHistory
    """Votes as ClickHouse remembers them."""
    tables: VoteTables
    """Where more of them go."""
    new_drain: Callable[[VoteTables], Drain]
    """Makes what takes them there. One for each drain of a crucible: what an older one remembers of the crucible's log
    may be what the comparison is about."""

    def drain(self, crucible_id: int, seconds: float) -> None:
        """Drain until a crucible's log is empty; its votes must be refused meanwhile.

        Raises:
            TemporaryError: a neighbour is away, or it took longer than so many seconds.
        """
        self.new_drain(self.tables).drain_crucible(crucible_id, seconds)

    def close(self) -> None:
        """Close the connections to ClickHouse; the next comparison needs others."""
        self.history.close()
        self.tables.close()


class ComparisonPool:
    """Lends connections to any number of threads, and keeps those that come back for the next.

    A new connection asks ClickHouse for its settings and for what was migrated, which costs more than a comparison.

    Args:
        connect: makes more of them.
    """

    def __init__(self, connect: Callable[[], ComparisonConnections]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[ComparisonConnections] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[ComparisonConnections]:
        """Give connections that nobody else has, for the length of the block."""
        with self._lock:
            lent = self._idle.pop() if self._idle else None
        if lent is None:
            lent = self._connect()
        try:
            yield lent
        finally:
            with self._lock:
                pooled = not self._closed
                if pooled:
                    self._idle.append(lent)
            if not pooled:
                lent.close()

    def close(self) -> None:
        """Close all connections; those that are lent are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connections in idle:
            connections.close()
