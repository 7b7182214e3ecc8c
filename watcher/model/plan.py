"""A plan: a batch of one partition, named before it is written.

The name (topic id, partition, start, end) travels as the metadata of the group's committed offset, so whoever owns the
partition next finds in one place how far the sinks surely are and which batch may be half-way. It also makes the
insert's deduplication token, so a request that lands late is one that ClickHouse has already seen.
"""

import msgspec

METADATA_LIMIT = 4096
"""Kafka's ``offset.metadata.max.bytes``; a broker refuses a longer one for good."""


class Plan(msgspec.Struct, frozen=True):
    """The records of one partition from ``start`` up to, not including, ``end``. Offsets may have gaps."""

    topic_id: str
    """Kafka's id of the topic, which differs when a topic of the same name is made anew."""
    partition: int
    start: int
    end: int

    @property
    def empty(self) -> bool:
        """Nothing is under way: everything before ``start`` is in the sinks."""
        return self.end <= self.start

    @property
    def token(self) -> str:
        """Stem of the deduplication tokens of the plan's inserts."""
        return f"{self.topic_id}/{self.partition}/{self.start}/{self.end}"

    def to_metadata(self) -> str:
        """The plan as offset metadata, well below the broker's limit.

        >>> Plan("nVj2", 3, 10, 25).to_metadata()
        '{"plan":1,"topic":"nVj2","end":25}'
        """
        return msgspec.json.encode({"plan": 1, "topic": self.topic_id, "end": self.end}).decode()


class _Metadata(msgspec.Struct):
    plan: int
    topic: str
    end: int


def plan_from_metadata(metadata: str | None, partition: int, offset: int) -> Plan | None:
    """The plan that a committed offset carries, or None where something else committed it (a tool, an older program).

    >>> plan_from_metadata('{"plan":1,"topic":"nVj2","end":25}', 3, 10)
    Plan(topic_id='nVj2', partition=3, start=10, end=25)
    >>> plan_from_metadata("", 3, 10) is None
    True
    """
    try:
        found = msgspec.json.decode(metadata or "", type=_Metadata)
    except msgspec.DecodeError:
        return None
    return Plan(found.topic, partition, offset, found.end) if found.plan == 1 else None
