"""A replay: changes of dead letters that are to be counted, decided before they are written."""

from collections.abc import Iterable

import msgspec
from xxhash import xxh3_128_digest


class ReplayPlan(msgspec.Struct, frozen=True):
    """Changes of one table as they will be sent, under the token that they will be sent with."""

    id: int
    """Its number in PostgreSQL; 0 before it has one."""
    table: str
    history: int
    lsn: int
    """The highest position in the log of its changes."""
    identities: frozenset[bytes]
    token: str
    planned: bytes
    """Metric events, packed."""
    doubtful: bool = True
    """Whether ClickHouse may know the token without having the rows: whoever decided it may have sent it."""


def token_of(identities: Iterable[bytes]) -> str:
    """Return the token of an insert of some changes: the same changes have the same, in whatever order.

    >>> token_of([b"a", b"b"]) == token_of([b"b", b"a"]) != token_of([b"a"])
    True
    """
    return f"replay/{xxh3_128_digest(b''.join(sorted(identities))).hex()}"
