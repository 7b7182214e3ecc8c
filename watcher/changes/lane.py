"""One assigned partition at work: how far it has come, and the rows gathered for its next plan."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from watcher.model.metric_columns import SOURCE, SOURCE_ID
from watcher.model.metric_rows import MetricRows
from watcher.model.plan import Plan
from watcher.model.progress import Progress
from watcher.runtime import clock

NO_CUT: Final = sys.maxsize
LEASE_LOOK_SECONDS: Final = 0.2
"""Seconds between two looks at a lease that has run out."""


@dataclass(slots=True)
class Gathered:
    """What the records since the last plan came to. Rows and counts appear in the sinks together."""

    rows: MetricRows = field(default_factory=MetricRows)
    identities: set[bytes] = field(default_factory=set)
    applied: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Changes by table and operation."""
    oldest: dict[str, int] = field(default_factory=dict)
    """Commit time of the oldest change with rows, in milliseconds since 1970, by table."""
    since: float = 0.0
    """When the first record came, in seconds of the engine's clock."""

    def by_table(self, identities: Collection[bytes]) -> Counter[str]:
        """Return how many of these changes are of each table. Mostly there is one, else the rows have to tell."""
        tables = {table for table, _ in self.applied}
        if not identities or len(tables) == 1:
            return Counter(dict.fromkeys(tables, len(identities))) if identities else Counter()
        wanted = frozenset(identities)
        changes = {(row[SOURCE], row[SOURCE_ID]) for row in self.rows if row[SOURCE_ID] in wanted}
        return Counter(table for table, _ in changes)


class AbandonedError(Exception):
    """Raised when the partition is somebody else's now; the plan is theirs to finish."""


class Lane:
    """One assigned partition. The loop's thread owns it; the writer only asks ``permit``.

    Args:
        topic: its topic's name.
        partition: its number.
        progress: how far it has come.
        lease: seconds for which a commit proves that the partition is ours.
        now: monotonic seconds.
    """

    __slots__ = (
        "_gone", "_now", "acknowledged", "acknowledged_at", "cut", "gathered", "lease", "lost", "partition", "progress",
        "submitted", "topic", "writing",
    )  # fmt: skip

    def __init__(
        self, topic: str, partition: int, progress: Progress, lease: float, now: Callable[[], float] = clock.now
    ) -> None:
        self._now = now
        self.topic, self.partition, self.progress, self.lease = topic, partition, progress, lease
        self.gathered = Gathered()
        self.cut = progress.open.end if progress.open else NO_CUT
        """Records from here on belong to the next plan: the end of a plan that is being read again."""
        self.submitted = False
        """The open plan is with the writer."""
        self.writing = Gathered()
        """What the writer has of the open plan."""
        self.acknowledged = progress.durable
        """The offset that Kafka has."""
        self.acknowledged_at = now()
        self.lost = False
        """The partition was taken away."""
        self._gone = threading.Event()

    @property
    def name(self) -> str:
        """Return topic and partition, for people."""
        return f"{self.topic}[{self.partition}]"

    @property
    def renewal_due_at(self) -> float:
        """Return when a third of the open plan's lease is over: committing it again proves that the lane is ours."""
        return self.progress.owned_at + self.lease / 3

    def take(self) -> Gathered:
        """Return what was gathered, and gather anew."""
        gathered, self.gathered = self.gathered, Gathered()
        self.cut = NO_CUT
        return gathered

    def lose(self) -> None:
        """Note that the partition was taken away: nothing that waits for it may be sent any more."""
        self.lost = True
        self._gone.set()

    def permit(self) -> None:
        """Wait until the open plan may be sent; called by the writer right before it sends.

        A process that was stopped for longer than its session and woken finds its lease run out and waits here, until
        the loop has heard from Kafka: the plan is committed again, or the partition is somebody else's.

        Raises:
            AbandonedError: the partition was taken away.
        """
        while not self.lost:
            if self.progress.may_send(self._now(), self.lease):
                return
            self._gone.wait(LEASE_LOOK_SECONDS)
        raise AbandonedError(self.name)


@dataclass(frozen=True, slots=True)
class Job:
    """A plan on its way to the sink, with its rows."""

    lane: Lane
    plan: Plan
    gathered: Gathered
    recover: bool
    """Somebody may have tried before: the plan came from the metadata, or a first attempt failed."""
    named_at: float
