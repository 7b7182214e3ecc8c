"""Which partitions a consumer group has read, and of which topic.

Kafka forgets a group's offsets (expired, deleted, or with the topic), and a topic may be made anew under its name.
Without a marker, a group starts at the earliest record; with one, a missing offset is a fault to be told.
"""

from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "marker.sql")


def load(session: Session, group: str) -> dict[tuple[str, int], str]:
    """Return the group's markers: the id that Kafka gave a topic when it was created, by topic and partition."""
    rows = session.read(_STATEMENTS["load"], group)
    return {(topic, partition): topic_id for topic, partition, topic_id in rows}


def remember(session: Session, group: str, topic: str, partition: int, topic_id: str) -> None:
    """Write a marker unless there is one."""
    session.run(_STATEMENTS["remember"], group, topic, partition, topic_id)


def forget(session: Session, group: str, topic: str | None = None) -> int:
    """Take away the group's markers of a topic, or of all; it may then start there as if it had never run.

    Returns:
        How many there were.
    """
    return len(session.run(_STATEMENTS["forget"], group, topic, topic))
