"""Where the consumer group stands, and how a person moves it; what was counted is recognised after a move."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from watcher.kafka.admin import KafkaAdmin, PartitionPoint
from watcher.model.errors import StopError
from watcher.model.extent import Extent
from watcher.model.need_reason import NeedReason
from watcher.model.plan import plan_from_metadata
from watcher.postgres.own import marker, reconcile_needed
from watcher.postgres.session import Session

MAX_LEAVING_SECONDS: Final = 3.0
"""Seconds that a group may show members after they left. Longer: a person waits for an answer that will not change."""
PAUSE_SECONDS: Final = 0.5
"""Seconds between two looks at the members; Kafka tells nobody that a group is empty."""

Target = PartitionPoint | int
"""Where to move to: the beginning, the end, the first record at or after a time, or an offset."""


class ResetRefusedError(StopError):
    """Raised when offsets cannot be moved as they are asked to."""


@dataclass(frozen=True, slots=True)
class GroupPlace:
    """Where the group stands in one partition. Offsets are next to read."""

    topic: str
    partition: int
    committed: int | None
    plan_end: int | None
    """End of the batch that was under way when the offset was committed; None where another program committed."""
    low: int
    high: int

    @property
    def lag(self) -> int:
        """Return how many records the sinks may lack. Transaction markers count, so an idle one may show a few."""
        return self.high - (self.low if self.committed is None else self.committed)


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's offset as it is and as it shall be."""

    topic: str
    partition: int
    before: int | None
    after: int
    low: int
    high: int
    """What the topic holds: its first offset, and the next one that it will give."""

    @property
    def skipped(self) -> int:
        """Return how many records are passed over that no sink may have.

        No offset, or one beyond the end (of an earlier topic of that name), tells nothing of what was read: then all
        that lies before the new place may be unread.
        """
        read = self.low if self.before is None or self.before > self.high else self.before
        return max(0, self.after - read)


def read_target(text: str) -> Target:
    """Return the target that a person names: ``earliest``, ``latest``, an offset, or an ISO time.

    A time without zone is local.

    Raises:
        ValueError: it is none of these, or a time before 1970.

    >>> read_target("120")
    120
    """
    if text == "earliest":
        return "earliest"
    if text == "latest":
        return "latest"
    if text.isdecimal():
        return int(text)
    try:
        time_named = datetime.fromisoformat(text)
        seconds = time_named.timestamp()
    except (ValueError, OverflowError):  # the latter of the calendar's first and last day, in some zones
        raise ValueError(f"{text!r} is not earliest, latest, an offset or a time like 2026-01-31T12:00:00Z") from None
    if seconds < 0:  # Kafka takes -1 for the end and -2 for the beginning
        raise ValueError(f"{text!r} is before 1970, where Kafka's times begin; earliest names the first record")
    return time_named


def group_places(admin: KafkaAdmin, group: str, topics: Iterable[str]) -> list[GroupPlace]:
    """Return where the group stands in every partition of the topics, and in any other that it has committed."""
    partitions = admin.topics()
    committed = admin.committed(
        group, [(name, number) for name, count in partitions.items() for number in range(count)]
    )
    wanted = {(topic, number) for topic in topics for number in range(partitions.get(topic, 0))}
    wanted |= committed.keys()
    bounds = admin.bounds(sorted(wanted))
    places = []
    for topic, partition in sorted(wanted):
        low, high = bounds[topic, partition]
        offset, metadata = committed.get((topic, partition), (None, None))
        plan = plan_from_metadata(metadata, partition, offset) if offset is not None else None
        places.append(GroupPlace(topic, partition, offset, plan.end if plan else None, low, high))
    return places


def moves(
    admin: KafkaAdmin, group: str, topic: str, target: Target, partitions: Sequence[int] | None = None
) -> list[Move]:
    """Return what a reset would do, a move for each partition.

    Args:
        admin: the cluster.
        group: the consumer group.
        topic: the topic to move in.
        target: where to.
        partitions: only these; all of the topic by default.

    Raises:
        ResetRefusedError: the topic or a partition does not exist, or the offset is outside of what it holds.
    """
    count = admin.topics().get(topic, 0)
    wanted = range(count) if partitions is None else partitions
    if not count or any(number not in range(count) for number in wanted):
        there = f"has partitions 0 to {count - 1}" if count else "does not exist; `crucible offsets show` lists topics"
        raise ResetRefusedError(f"topic {topic} {there}")
    places = [(topic, number) for number in wanted]
    bounds = admin.bounds(places)
    ends = {} if isinstance(target, int) else admin.offsets(places, target)
    committed = admin.committed(group, places)
    found = []
    for place in places:
        low, high = bounds[place]
        after = target if isinstance(target, int) else ends[place]
        after = high if after < 0 else after  # a time after the last record
        if not low <= after <= high:
            raise ResetRefusedError(f"{topic}[{place[1]}] holds offsets {low} to {high}, {after} is given")
        found.append(Move(topic, place[1], committed.get(place, (None, None))[0], after, low, high))
    return found


def reset(admin: KafkaAdmin, group: str, wanted: Sequence[Move], session: Session, tables: Iterable[str]) -> None:
    """Move the group, which must be at rest: a running watcher would go on from its own place and commit that.

    Args:
        admin: the cluster.
        group: the consumer group.
        wanted: the moves, all in one topic.
        session: where markers and needs are kept.
        tables: source tables of the topic, which need a comparison if records are skipped.

    Raises:
        ResetRefusedError: the group has members.
        TemporaryError: the cluster or PostgreSQL does not answer.
    """
    await_rest(admin, group)
    # Noted before it is true: once the group has moved, nothing else tells of what was skipped.
    skipping = [move for move in wanted if move.skipped]
    if skipping:
        first, last = skipping[0], skipping[-1]
        found = Extent(
            f"{first.topic}[{first.partition}]@{first.before or first.low}",
            f"{last.topic}[{last.partition}]@{last.after}",
            sum(move.skipped for move in skipping),
        )
        for table in tables:
            reconcile_needed.note(session, table, NeedReason.SKIPPED, found)
    topic = wanted[0].topic
    topic_id = admin.topic_id(topic)
    # The marker goes first: a group without one that finds no offset starts over, which is harmless.
    marker.forget(session, group, topic)
    refused = admin.move(group, {(move.topic, move.partition): move.after for move in wanted})
    if refused:
        raise ResetRefusedError("; ".join(f"{name}[{number}]: {why}" for (name, number), why in refused.items()))
    for partition in range(admin.topics()[topic]):
        marker.remember(session, group, topic, partition, topic_id)


def await_rest(admin: KafkaAdmin, group: str) -> None:
    """Return once nobody is in a group; one that has just been stopped is waited for.

    Raises:
        ResetRefusedError: the group has members, and keeps them.
        TemporaryError: the cluster does not answer.
    """
    end = time.monotonic() + MAX_LEAVING_SECONDS
    while there := admin.members(group):
        if time.monotonic() > end:
            raise ResetRefusedError(
                f"group {group} is active ({', '.join(there)}): stop every watcher first; one that was killed leaves "
                "the group after kafka.session_timeout"
            )
        time.sleep(PAUSE_SECONDS)
