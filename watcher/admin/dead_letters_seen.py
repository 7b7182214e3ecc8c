"""Up to where somebody has seen to the dead letters: kept as offsets of a group that has no members."""

from collections.abc import Callable

from watcher.kafka.admin import KafkaAdmin
from watcher.model.errors import TemporaryError


def none_done(_: int, __: int) -> int:
    """Return 0 for any partition and offset; stands in where nobody knows which letters are done."""
    return 0


def since_seen(
    admin: KafkaAdmin, topic: str, group: str, done_from: Callable[[int, int], int] = none_done
) -> tuple[int, int]:
    """Return how many letters came since somebody has seen to them and are not done, and how many others are there.

    Args:
        admin: the cluster.
        topic: the dead letters'.
        group: the watcher's consumer group.
        done_from: tells how many letters of a partition are done that lie at an offset or behind it.

    Raises:
        TemporaryError: the cluster does not answer.
    """
    places = [(topic, number) for number in range(admin.topics().get(topic, 0))]
    bounds, marks = admin.bounds(places), admin.committed(_marker(group), places)
    # A topic that was made anew begins below the mark of the one before it.
    marked = {place: marks.get(place, (low, None))[0] for place, (low, _) in bounds.items()}
    upto = {place: max(low, marked[place] if marked[place] <= high else low) for place, (low, high) in bounds.items()}
    there = sum(high - low for low, high in bounds.values())
    new = sum(max(0, bounds[one][1] - upto[one] - done_from(one[1], upto[one])) for one in places)
    return new, there - new


def mark_seen(admin: KafkaAdmin, topic: str, group: str) -> int:
    """Note that all letters until now were seen to; return how many of them were new.

    Raises:
        TemporaryError: the cluster does not answer, or does not take the mark.
    """
    new, _ = since_seen(admin, topic, group)
    places = [(topic, number) for number in range(admin.topics().get(topic, 0))]
    refused = admin.move(_marker(group), admin.offsets(places, "latest")) if places else {}
    if refused:
        raise TemporaryError(f"kafka at {admin.brokers}: {topic}: {', '.join(refused.values())}")
    return new


def _marker(group: str) -> str:
    return f"{group}.dead-letters-seen"
