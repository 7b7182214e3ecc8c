"""A plan: a batch of one partition, named before it is written.

The name (topic id, partition, start, end) travels as the metadata of the group's committed offset, so whoever owns the
partition next finds in one place how far the sinks surely are and which batch may be half-way. It also makes the
insert's deduplication token, so a request that lands late is one that ClickHouse has already seen.
"""

import msgspec

MAX_METADATA_BYTES = 4096
"""Kafka's ``offset.metadata.max.bytes``; a broker refuses a longer one for good."""


class Plan(msgspec.Struct, frozen=True):
    """The records of one partition from ``start`` up to, not including, ``end``. Offsets may have gaps."""

    topic_id: str
    """Kafka's id of the topic, which differs when a topic of the same name is made anew."""
    partition: int
    start: int
    end: int
    doubt: int = 0
    """Offsets below this one may have been planned before, by plans that nobody knows of any more: somebody has set the
    group's place by hand. ClickHouse may know a token from then, and have lost the rows."""

    @property
    def doubtful(self) -> bool:
        """Return whether ClickHouse may know the plan's token without having its rows."""
        return self.start < self.doubt

    @property
    def empty(self) -> bool:
        """Return whether nothing is under way: everything before ``start`` is in the sinks."""
        return self.end <= self.start

    @property
    def token(self) -> str:
        """Return the stem of the deduplication tokens of the plan's inserts."""
        return f"{self.topic_id}/{self.partition}/{self.start}/{self.end}"

    def to_metadata(self) -> str:
        """Return the plan as offset metadata, well below the broker's limit.

        >>> Plan("nVj2", 3, 10, 25).to_metadata()
        '{"plan":1,"topic":"nVj2","end":25}'
        """
        doubt = self.doubt if self.end < self.doubt else 0  # what comes after this plan is doubtful, too
        return msgspec.json.encode(_Metadata(1, self.topic_id, self.end, doubt)).decode()


class _Metadata(msgspec.Struct, omit_defaults=True):
    plan: int
    topic: str
    end: int
    doubt: int = 0


def plan_from_metadata(metadata: str | None, partition: int, offset: int) -> Plan | None:
    """Return the plan that a committed offset carries; None where a tool or an older program has committed it.

    >>> plan_from_metadata('{"plan":1,"topic":"nVj2","end":25}', 3, 10)
    Plan(topic_id='nVj2', partition=3, start=10, end=25, doubt=0)
    >>> plan_from_metadata("", 3, 10) is None
    True
    """
    try:
        found = msgspec.json.decode(metadata or "", type=_Metadata)
    except msgspec.DecodeError:
        return None
    return Plan(found.topic, partition, offset, found.end, found.doubt) if found.plan == 1 else None
