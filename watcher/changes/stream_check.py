"""A check that finds out, from what the stream brings, what it did not bring."""

from collections.abc import Mapping
from typing import Protocol

from watcher.changes.lane import Lane
from watcher.changes.source import Source
from watcher.changes.taken import Taken
from watcher.model.effects import ReconcileNeeded
from watcher.model.extent import Extent
from watcher.model.stream import Partition


class StreamCheck(Protocol):
    """Looks for changes that were lost on their way; how much those moved only a comparison with PostgreSQL can tell.

    What an :class:`watcher.changes.observer.Observer` hears is lost in a crash; of what a check is told nothing is,
    because the loop acknowledges no record before ``taken`` has returned.
    """

    def taken(self, taken: Taken, lanes: Mapping[Partition, Lane]) -> Mapping[ReconcileNeeded, Extent]:
        """Take note of records whose states are shown; return what has to be compared.

        Raises:
            TemporaryError: Redis, where it keeps what outlives the process, is away. It is called again with the same.
        """
        ...

    def turned(self, lanes: Mapping[Partition, Lane], source: Source) -> Mapping[ReconcileNeeded, Extent]:
        """Return what has to be compared by now; called once a turn, and waits for nobody."""
        ...
