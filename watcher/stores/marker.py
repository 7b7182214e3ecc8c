"""Which partitions a consumer group has read, and of which topic.

Kafka forgets a group's offsets (expired, deleted, or with the topic), and a topic may be made anew under its name.
Without a marker, a group starts at the earliest record; with one, a missing offset is a fault to be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from watcher.stores.store import Store


@dataclass(frozen=True, slots=True)
class Marker:
    """A partition that the group has read."""

    topic_id: str
    """The id that Kafka gave the topic when it was created."""
    first_seen: datetime
    """When the group first read it, with time zone."""


def load(store: Store, group: str) -> Mapping[tuple[str, int], Marker]:
    """The group's markers by topic and partition."""
    rows = store.run(
        "SELECT topic, partition, topic_id, first_seen FROM {schema}.marker WHERE consumer_group = %s", group
    )
    return {(topic, partition): Marker(topic_id, first_seen) for topic, partition, topic_id, first_seen in rows}


def remember(store: Store, group: str, topic: str, partition: int, topic_id: str) -> str:
    """Leave a marker unless there is one.

    Returns:
        The topic id of the marker that is there now; another than was given if the topic has been made anew.
    """
    store.run(
        "INSERT INTO {schema}.marker (consumer_group, topic, partition, topic_id) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        group,
        topic,
        partition,
        topic_id,
    )
    ((found,),) = store.run(
        "SELECT topic_id FROM {schema}.marker WHERE consumer_group = %s AND topic = %s AND partition = %s",
        group,
        topic,
        partition,
    )
    return str(found)


def forget(store: Store, group: str, topic: str | None = None) -> int:
    """Take away the group's markers of a topic, or of all; it may then start there as if it had never run.

    Returns:
        How many there were.
    """
    gone = store.run(
        "DELETE FROM {schema}.marker WHERE consumer_group = %s AND (%s::text IS NULL OR topic = %s) RETURNING 1",
        group,
        topic,
        topic,
    )
    return len(gone)
