"""Where the loop's records come from: what it asks of a member of a consumer group.

``watcher/kafka/source.py`` is the one that is deployed, ``memory_source.py`` the one without a broker.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from watcher.model.stream import Committed, Partition, Record


class Source(Protocol):
    """A member of a consumer group that reads change streams. Used by one thread."""

    def subscribe(self, topics: Sequence[str]) -> None:
        """Join the group for these topics; a name beginning with ``^`` is a regular expression."""
        ...

    def poll(self, limit: int, patience: float, gather: float = 0.0) -> Sequence[Record]:
        """Return the records that came, in order within each partition.

        Args:
            limit: most records to return.
            patience: seconds to wait for the first one.
            gather: seconds to wait for more of them once one is there.

        Raises:
            OffsetLostError: the group's place in a partition is gone.
            StopError: the client cannot go on.
        """
        ...

    def pause(self) -> None:
        """Deliver nothing until ``resume``, also from partitions that are assigned meanwhile."""
        ...

    def resume(self) -> None:
        """Deliver again, from where it paused."""
        ...

    def hold(self, tables: Collection[str]) -> None:
        """Deliver nothing from the topics of these tables, and from those of all others as before.

        A topic's name tells its table, see :func:`watcher.model.table_pause.table_of`. What was held before and is not
        named any more is delivered from where it was left; it holds for partitions that are assigned later too.
        """
        ...

    @property
    def paused(self) -> int:
        """Return the number of partitions that are not delivered from since ``pause``."""
        ...

    def commit(self, offsets: Mapping[Partition, tuple[int, str]]) -> dict[Partition, str]:
        """Commit offsets with their metadata, in one request.

        Returns:
            What went wrong, per partition; those absent are committed.
        """
        ...

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Committed]:
        """Return what the group has committed.

        Raises:
            TemporaryError: nobody answers.
        """
        ...

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return the ids of the topics; they differ when a topic of the same name is made anew.

        Raises:
            TemporaryError: nobody answers.
        """
        ...

    def look_for_topics(self) -> None:
        """Ask for the ids of the assigned topics, unless that is under way; ``topics_found`` has the answer later."""
        ...

    def topics_found(self) -> dict[str, str]:
        """Return the answer to ``look_for_topics``, once; empty until it is there."""
        ...

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """Return the first offset that the topic still holds, and the next one that it will give.

        Raises:
            TemporaryError: nobody answers.
        """
        ...

    def high_water(self, partition: Partition) -> int | None:
        """Return the next offset that the topic will give, as far as is known without asking; None: it is not."""
        ...

    def at_end(self, partition: Partition) -> bool:
        """Return whether every record up to the high-water mark was delivered; of what is held nobody knows."""
        ...

    def close(self) -> None:
        """Leave the group; the listener hears of every partition that is given up."""
        ...
