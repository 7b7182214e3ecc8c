"""Where a newly assigned partition begins: the decision that ``auto.offset.reset`` would make silently."""

from dataclasses import dataclass

from watcher.model.errors import OffsetGoneError, PlanUnreadableError, TopicReplacedError
from watcher.model.plan import plan_from_metadata
from watcher.model.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of a partition when it is assigned."""

    group: str
    topic: str
    partition: int
    topic_id: str
    low: int
    """First offset that the topic still holds."""
    high: int
    """Next offset that the topic will give."""
    committed: int | None
    """The group's committed offset."""
    metadata: str | None
    seen: str | None
    """Id of the topic when the group first read the partition, from the watcher's own schema."""


def start(found: Found) -> Progress:
    """Where to begin.

    A group that never read the partition begins with the earliest record. One that did, and whose place is gone,
    stops: going to either end on its own would skip or hide something. An offset without a plan of ours was set by
    hand, and whatever the topic holds by now may have been planned before.

    Raises:
        OffsetGoneError: the committed offset is gone, or the topic no longer holds it.
        TopicReplacedError: the committed offset belongs to another topic of the same name.
        PlanUnreadableError: the topic no longer holds all records of the open plan.
    """
    if found.committed is None:
        if found.seen is None:
            return Progress(found.topic_id, found.partition, found.low, found.low)
        detail = "its committed offset is gone" if found.seen == found.topic_id else "the topic was made anew since"
        raise OffsetGoneError(found.group, found.topic, found.partition, detail)
    try:
        progress = Progress.resume(found.topic_id, found.partition, found.committed, found.metadata)
    except TopicReplacedError as error:
        raise TopicReplacedError(found.partition, error.expected, error.found, found.topic) from error
    plan = progress.open
    if plan is not None and (plan.start < found.low or plan.end > found.high):
        raise PlanUnreadableError(found.topic, found.partition, (plan.start, plan.end), (found.low, found.high))
    if not found.low <= progress.next <= found.high:
        detail = f"its offset {progress.next} is outside of what the topic holds, {found.low} to {found.high}"
        raise OffsetGoneError(found.group, found.topic, found.partition, detail)
    if plan_from_metadata(found.metadata, found.partition, found.committed) is None:
        progress.doubt = found.high
    return progress
