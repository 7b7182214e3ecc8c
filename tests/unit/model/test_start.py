"""Where a partition begins, for each thing that may be known of it."""

import pytest

from watcher.model.errors import OffsetGoneError, PlanUnreadableError, StopError, TopicReplacedError
from watcher.model.plan import Plan
from watcher.model.start import PartitionState, start

ID, OTHER = "topic-id", "other-id"
TOOL = "set by a person's tool"


def plan(start_at: int, end: int, topic_id: str = ID) -> str:
    return Plan(topic_id, 0, start_at, end).to_metadata()


def found(
    committed: int | None, metadata: str | None = None, *, seen: str | None = ID, low: int = 0, high: int = 100
) -> PartitionState:
    return PartitionState(
        group="g", topic="t", partition=0, topic_id=ID, low=low, high=high,
        committed=committed, metadata=metadata, seen=seen,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("what", "offset", "open_plan"),
    [
        (found(None, seen=None), 0, None),
        (found(None, seen=None, low=40), 40, None),
        (found(None, seen=None, low=0, high=0), 0, None),
        (found(30, plan(30, 30)), 30, None),
        (found(30, plan(30, 45)), 30, (30, 45)),
        (found(30, plan(30, 45), low=30, high=45), 30, (30, 45)),
        (found(30, TOOL), 30, None),
        (found(30, ""), 30, None),
        (found(30, None, seen=None), 30, None),
        (found(100, plan(100, 100)), 100, None),
        (found(0, plan(0, 0), seen=None), 0, None),
    ],
    ids=[
        "never ran: the earliest", "never ran, and the earliest is not 0", "never ran, nothing is there yet",
        "an empty plan: on from there", "an open plan: finish it first", "its records are just about all there is",
        "a tool set the offset", "a tool without metadata", "an offset without a marker", "at the very end",
        "acknowledged before the marker was written",
    ],
)  # fmt: skip
def test_where_it_begins(what: PartitionState, offset: int, open_plan: tuple[int, int] | None) -> None:
    """At the committed offset, with the plan that stands there; at the earliest only when the group never ran."""
    progress = start(what)

    assert (progress.durable, progress.next) == (offset, offset)
    assert open_plan == (progress.open and (progress.open.start, progress.open.end))
    assert progress.rereading == (open_plan is not None)


@pytest.mark.parametrize(
    ("what", "doubt"),
    [
        (found(None, seen=None), 0),
        (found(30, plan(30, 45)), 0),
        (found(30, TOOL), 100),
        (found(30, ""), 100),
        (found(30, Plan(ID, 0, 30, 45, doubt=100).to_metadata()), 100),
        (found(30, Plan(ID, 0, 30, 45, doubt=45).to_metadata()), 0),
    ],
    ids=[
        "never ran: nobody planned anything", "our own place", "a tool set it", "without metadata",
        "the doubt of an owner before", "a doubt that ends with its plan",
    ],
)  # fmt: skip
def test_what_may_have_been_planned_before(what: PartitionState, doubt: int) -> None:
    """After a place set by hand, all that the topic holds: nobody remembers which plans there were."""
    assert start(what).doubt == doubt


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        (found(None), OffsetGoneError, "committed offset is gone"),
        (found(None, seen=OTHER), OffsetGoneError, "made anew"),
        (found(30, plan(30, 45, OTHER)), TopicReplacedError, "made anew"),
        (found(30, plan(30, 30, OTHER)), TopicReplacedError, "made anew"),
        (found(30, plan(30, 30), low=31), OffsetGoneError, "outside"),
        (found(101, plan(101, 101)), OffsetGoneError, "outside"),
        (found(30, plan(30, 45), low=31), PlanUnreadableError, "only 31 to 100"),
        (found(30, plan(30, 45), high=44), PlanUnreadableError, "only 0 to 44"),
    ],
    ids=[
        "it ran, and its offset is gone", "it ran, and the topic is another one", "the plan is another topic's",
        "the empty plan is another topic's", "its records were deleted", "the topic is shorter than it was",
        "the plan's first records were deleted", "the plan's last records are missing",
    ],
)  # fmt: skip
def test_when_it_stops(what: PartitionState, error: type[StopError], says: str) -> None:
    """Going to either end by itself would skip or hide something; the message names the next command."""
    with pytest.raises(error, match=says) as stopped:
        start(what)

    assert "crucible offsets reset --topic t --to earliest" in str(stopped.value)
