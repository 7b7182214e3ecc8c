"""The records that the loop takes, poll by poll; those that come while it is held up wait here."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from watcher.changes.lane import Lane
from watcher.changes.limits import Limits
from watcher.changes.source import Source
from watcher.model.errors import OffsetGoneError, OffsetLostError
from watcher.model.stream import Partition, Record
from watcher.runtime.failpoint import reach

LONGEST_POLL_SECONDS: Final = 0.5
"""Seconds of one wait for records at most; Kafka's client cannot be woken. Longer: that the process is to end is seen
later; shorter: more turns for nothing."""

Polled = tuple[Sequence[Record], Mapping[Partition, Lane]]
"""Records of one poll, with the lanes that there were: a partition may be taken away before they are looked at."""


class Polls:
    """The polls of a source.

    Args:
        source: is polled.
        lanes: of the partitions that the process has, as they are at any moment.
        limits: sizes and times.
        now: monotonic seconds.
    """

    def __init__(
        self, source: Source, lanes: Mapping[Partition, Lane], limits: Limits, now: Callable[[], float]
    ) -> None:
        self._source, self._lanes, self._limits, self._now = source, lanes, limits, now
        self._kept: deque[Polled] = deque()
        self._taken_at = now()

    def next(self, due_in: float) -> Polled:
        """Return the oldest poll that was kept; else wait until records come, or something else is due.

        The first record ends the wait. So that many single ones do not turn the loop as many times, more are gathered
        until ``poll_timeout`` has passed since the last ones were taken: a record that comes alone is taken at once.

        Args:
            due_in: seconds until the loop has something else to do.

        Raises:
            OffsetGoneError: the topic has dropped what is to be read next.
        """
        if self._kept:
            return self._kept.popleft()
        shortest = self._limits.poll_timeout
        patience = max(shortest, min(LONGEST_POLL_SECONDS, due_in))
        polled = self._poll(patience, max(0.0, self._taken_at + shortest - self._now()))
        if polled[0]:
            self._taken_at = self._now()
        return polled

    def keep(self, seconds: float) -> None:
        """Poll once, so that the group does not give the member up, and keep what comes for the turns that follow.

        Raises:
            OffsetGoneError: the topic has dropped what is to be read next.
        """
        polled = self._poll(seconds)
        if polled[0]:
            self._kept.append(polled)

    def _poll(self, patience: float, gather: float = 0.0) -> Polled:
        try:
            records = self._source.poll(self._limits.poll_records, patience, gather)
        except OffsetLostError as error:
            at = error.position
            raise OffsetGoneError(self._limits.group, at.topic, at.partition, f"offset {at.offset} is gone") from error
        if records:
            reach("poll.taken")
        return records, dict(self._lanes)
