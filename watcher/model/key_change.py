"""A changed primary key: Debezium makes a delete and a create of it, and may lose the create when it is stopped.

Both come from one log record. A connector that is stopped between the two, for whatever reason, may go on behind it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from watcher.model.stream import Headers, Partition

NEW_KEY: Final = "__debezium.newkey"
"""Header of the delete, and of its tombstone: the key under which the row goes on."""

_READ: Final = msgspec.json.Decoder(dict[str, int]).decode


class KeyChange(msgspec.Struct, frozen=True):
    """A delete that says that its row goes on under another key."""

    table: str
    topic: str
    """Where the create has to come, in whichever partition."""
    identity: bytes
    """What the create's identity has to be."""
    lsn: int
    place: str
    """For people: where the delete lies, and the new key."""


def new_key(headers: Headers | None) -> int | None:
    """Return the key under which a deleted row goes on; None where it does not, or the key is not one number.

    >>> new_key([("own", b"1"), ("__debezium.newkey", b'{"id":900}')])
    900
    >>> new_key([("__debezium.newkey", b'{"a":1,"b":2}')]), new_key(None)
    (None, None)
    """
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    for name, value in pairs:
        if name == NEW_KEY and value is not None:
            try:
                found = _READ(value)
            except msgspec.DecodeError:
                return None
            return next(iter(found.values())) if len(found) == 1 else None
    return None


def of_topic(partitions: Iterable[Partition], topic: str) -> set[Partition]:
    """Return the partitions of a topic.

    >>> of_topic([("t", 0), ("u", 1)], "t")
    {('t', 0)}
    """
    return {partition for partition in partitions if partition[0] == topic}
