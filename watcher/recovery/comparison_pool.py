"""What comparisons of crucibles work with; its connections are lent from one to the next."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from watcher.clickhouse.vote_history import VoteHistory
from watcher.clickhouse.vote_tables import VoteTables
from watcher.votes.drain import Drain


@dataclass(frozen=True, slots=True)
class Connections:
    """How one comparison reaches ClickHouse."""

    history: VoteHistory
    tables: VoteTables

    def close(self) -> None:
        """Give them back."""
        self.history.close()
        self.tables.close()


@dataclass(frozen=True, slots=True)
class Bench:
    """What one comparison works with."""

    history: VoteHistory
    drain: Drain
    tables: VoteTables


class ComparisonPool:
    """Lends benches to any number of threads, and keeps the connections that come back for the next.

    A new connection asks ClickHouse for its settings and for what was migrated, which costs more than a comparison. The
    drain is always new: what it remembers of a crucible's log may be what the comparison is about.

    Args:
        connections: makes more of them.
        drain: makes what drains over them.
    """

    def __init__(self, connections: Callable[[], Connections], drain: Callable[[VoteTables], Drain]) -> None:
        self._more, self._drain = connections, drain
        self._lock = threading.Lock()
        self._idle: list[Connections] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[Bench]:
        """A bench that nobody else has, for the length of the block."""
        with self._lock:
            lent = self._idle.pop() if self._idle else None
        if lent is None:
            lent = self._more()
        try:
            yield Bench(lent.history, self._drain(lent.tables), lent.tables)
        finally:
            with self._lock:
                kept = not self._closed
                if kept:
                    self._idle.append(lent)
            if not kept:
                lent.close()

    def close(self) -> None:
        """Give all connections back; those of a bench that is lent, when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connections in idle:
            connections.close()
