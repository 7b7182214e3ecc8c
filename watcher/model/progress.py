"""How far one partition has come: the planned-batch protocol as a state machine without I/O.

    deliver ... deliver ──name──► (commit to Kafka) ──opened──► (ask, insert) ──written──► deliver ...
                                                       ▲
    resume with an open plan ──deliver up to its end───┘

1. Records are delivered and gathered from ``durable`` on.
2. ``name`` proposes the plan [durable, next); the shell commits offset ``durable`` with the plan as metadata.
3. ``opened`` says that Kafka has it. Only then may the batch be sent, and only while ``may_send`` holds.
4. ``written`` says that the sinks have it. The next plan's commit acknowledges it.

A new owner finds the open plan in the metadata, re-reads exactly its records and writes them again under the same name.
"""

from dataclasses import dataclass

from watcher.model.errors import OffsetWentBackError, TopicReplacedError
from watcher.model.plan import Plan, plan_from_metadata


@dataclass(slots=True)
class Progress:
    """One assigned partition. Offsets are always "next to read".

    >>> progress = Progress.resume("nVj2", 0, offset=10, metadata=None)
    >>> for offset in 10, 11, 14: progress.deliver(offset)
    >>> plan = progress.name(); plan.start, plan.end
    (10, 15)
    >>> progress.opened(plan, now=100.0)
    >>> progress.may_send(now=105.0, lease=30.0), progress.may_send(now=131.0, lease=30.0)
    (True, False)
    >>> progress.written(plan); progress.durable, progress.idle
    (15, True)
    """

    topic_id: str
    partition: int
    durable: int
    """Everything below is in every sink."""
    next: int
    """The lowest offset that may be delivered next."""
    open: Plan | None = None
    """The batch that Kafka knows by name and the sinks may know."""
    rereading: bool = False
    """The open plan came from the metadata; its records are being delivered again."""
    doubt: int = 0
    """Offsets below this one may have been planned before; see :class:`watcher.model.plan.Plan`."""
    owned_at: float = float("-inf")
    """Monotonic seconds when Kafka last took a commit of ours, hence knew us as the owner."""

    @classmethod
    def resume(cls, topic_id: str, partition: int, offset: int, metadata: str | None) -> "Progress":
        """Take over a partition at its committed offset.

        Raises:
            TopicReplacedError: the plan was made for another topic of the same name.
        """
        plan = plan_from_metadata(metadata, partition, offset)
        if plan is not None and plan.topic_id != topic_id:
            raise TopicReplacedError(partition, expected=plan.topic_id, found=topic_id)
        unfinished = plan is not None and not plan.empty
        return cls(
            topic_id, partition, offset, offset, plan if unfinished else None, unfinished, plan.doubt if plan else 0
        )

    def deliver(self, offset: int) -> None:
        """Note that a record was delivered. Gaps are normal: transaction markers and compaction leave them.

        Raises:
            OffsetWentBackError: the offset was delivered before; the client lost its place.
        """
        if offset < self.next:
            raise OffsetWentBackError(self.partition, expected=self.next, found=offset)
        self.next = offset + 1

    def nothing_before(self, offset: int) -> None:
        """Note that a record at or beyond ``offset`` was seen: whatever lies before it was delivered or is gone."""
        self.next = max(self.next, offset)

    def nothing_to_write(self) -> None:
        """Note that the records gathered so far leave no rows, and so need no plan.

        Raises:
            ValueError: a plan is open, and what comes after it cannot be durable before it.
        """
        if self.open is not None:
            raise ValueError(f"partition {self.partition} still has the open plan {self.open.token}")
        self.durable = self.next

    @property
    def reread(self) -> bool:
        """Return whether every record of the open plan has been delivered again."""
        return self.rereading and self.open is not None and self.next >= self.open.end

    @property
    def idle(self) -> bool:
        """Return whether everything that was delivered is in the sinks."""
        return self.open is None and self.next == self.durable

    def name(self) -> Plan:
        """Return the plan of everything gathered so far; where that is nothing, an empty one, which acknowledges all.

        Raises:
            ValueError: a plan is open; there is at most one at a time.
        """
        if self.open is not None:
            raise ValueError(f"partition {self.partition} still has the open plan {self.open.token}")
        return Plan(self.topic_id, self.partition, self.durable, self.next, self.doubt)

    def opened(self, plan: Plan, now: float) -> None:
        """Note that Kafka took the commit that names the plan, or took it again, which renews the lease."""
        if plan.start != self.durable:
            raise ValueError(f"plan {plan.token} does not start at {self.durable}, where the sinks are")
        self.owned_at = now
        self.open = None if plan.empty else plan

    def may_send(self, now: float, lease: float) -> bool:
        """Return whether nobody else can own the partition yet: False after a process stood still for long, say."""
        return self.open is not None and now - self.owned_at < lease

    def written(self, plan: Plan) -> None:
        """Note that every sink has the open plan."""
        if plan != self.open:
            raise ValueError(f"plan {plan.token} is not the open one")
        self.durable, self.open, self.rereading = plan.end, None, False
