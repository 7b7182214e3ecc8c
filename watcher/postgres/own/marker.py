"""Which partitions a consumer group has read, and of which topic.

Kafka forgets a group's offsets (expired, deleted, or with the topic), and a topic may be made anew under its name.
Without a marker, a group starts at the earliest record; with one, a missing offset is a fault to be told.
"""

from watcher.postgres.session import Session


def load(session: Session, group: str) -> dict[tuple[str, int], str]:
    """The group's markers by topic and partition: the id that Kafka gave the topic when it was created."""
    rows = session.run("SELECT topic, partition, topic_id FROM {schema}.marker WHERE consumer_group = %s", group)
    return {(topic, partition): topic_id for topic, partition, topic_id in rows}


def remember(session: Session, group: str, topic: str, partition: int, topic_id: str) -> None:
    """Leave a marker unless there is one."""
    session.run(
        "INSERT INTO {schema}.marker (consumer_group, topic, partition, topic_id) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        group,
        topic,
        partition,
        topic_id,
    )


def forget(session: Session, group: str, topic: str | None = None) -> int:
    """Take away the group's markers of a topic, or of all; it may then start there as if it had never run.

    Returns:
        How many there were.
    """
    gone = session.run(
        "DELETE FROM {schema}.marker WHERE consumer_group = %s AND (%s::text IS NULL OR topic = %s) RETURNING 1",
        group,
        topic,
        topic,
    )
    return len(gone)
