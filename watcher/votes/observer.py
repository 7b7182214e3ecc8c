"""What a drain reports while it works."""

from typing import Protocol

from watcher.model.errors import TemporaryError
from watcher.model.plan_outcome import PlanOutcome


class DrainObserver(Protocol):
    """Hears what a drain did; from the drain's thread."""

    def drained(self, votes: int, outcome: PlanOutcome, seconds: float) -> None:
        """Note that a plan of so many votes is done."""
        ...

    def waiting(self, oldest_ms: int | None) -> None:
        """Note when the oldest vote was cast that a round over all buckets left in a log; None if it left none."""
        ...

    def away(self, error: TemporaryError) -> None:
        """Note that a pass over a bucket failed and will be made again."""
        ...

    def parked(self, bucket: int, error: str) -> None:
        """Note that a bucket's votes wait until somebody looks at ClickHouse; the other buckets' go on."""
        ...
