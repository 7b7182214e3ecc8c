"""Decides where a newly assigned partition begins, which ``auto.offset.reset`` would do without a word."""

from dataclasses import dataclass

from watcher.model.errors import OffsetGoneError, PlanUnreadableError, TopicReplacedError
from watcher.model.plan import plan_from_metadata
from watcher.model.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
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


def start(state: PartitionState) -> Progress:
    """Return where to begin to read a partition.

    A group that never read the partition begins with the earliest record. One that did, and whose place is gone,
    stops: going to either end on its own would skip or hide something. An offset without a plan of ours was set by
    hand, and whatever the topic holds by now may have been planned before.

    Raises:
        OffsetGoneError: the committed offset is gone, or the topic no longer holds it.
        TopicReplacedError: the committed offset belongs to another topic of the same name.
        PlanUnreadableError: the topic no longer holds all records of the open plan.
    """
    if state.committed is None:
        if state.seen is None:
            return Progress(state.topic_id, state.partition, state.low, state.low)
        detail = "its committed offset is gone" if state.seen == state.topic_id else "the topic was made anew since"
        raise OffsetGoneError(state.group, state.topic, state.partition, detail)
    try:
        progress = Progress.resume(state.topic_id, state.partition, state.committed, state.metadata)
    except TopicReplacedError as error:
        raise TopicReplacedError(state.partition, error.expected, error.found, state.topic) from error
    plan = progress.open
    if plan is not None and (plan.start < state.low or plan.end > state.high):
        raise PlanUnreadableError(state.topic, state.partition, (plan.start, plan.end), (state.low, state.high))
    if not state.low <= progress.next <= state.high:
        detail = f"its offset {progress.next} is outside of what the topic holds, {state.low} to {state.high}"
        raise OffsetGoneError(state.group, state.topic, state.partition, detail)
    if plan_from_metadata(state.metadata, state.partition, state.committed) is None:
        progress.doubt = state.high
    return progress
