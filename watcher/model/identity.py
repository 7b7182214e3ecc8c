"""What makes a change that change, wherever and however often it is delivered.

Debezium re-sends after a crash, operators rewind offsets, topics grow partitions and are made anew: a position in
Kafka says nothing. The table, the row's key, the operation, the place in the write-ahead log and the commit time are
the same in every delivery, and differ after a restore or failover that uses the same log positions again.
"""

from collections.abc import Callable
from functools import partial
from struct import Struct

from xxhash import xxh3_128_digest

Digested = Callable[[int, int, int], bytes]
"""From the row's primary key, the position in the write-ahead log in bytes, and the commit time in microseconds since
1970, to the bytes that a change's identity is the digest of."""

digest = xxh3_128_digest
"""From such bytes to the identity, 16 bytes. At 128 bits a collision among 10^12 changes has a chance of 10^-15. XXH3's
result is fixed by its specification, and the input is numbers of our own, so that nobody can choose it to collide."""


def digested(table: str, operation: str) -> Digested:
    """Return what sets the changes of a table and operation apart; made once, for it is called once a change.

    Args:
        table: name of the source table, without its schema.
        operation: the envelope's ``op`` code.

    >>> created = digested("CrucibleEntry", "c")
    >>> digest(created(7, 4096, 1_700_000_000_000_000)) == digest(created(7, 4096, 1_700_000_000_000_000))
    True
    >>> created(7, 4096, 1_700_000_000_000_000) == created(8, 4096, 1_700_000_000_000_000)  # neighbours in one COPY
    False
    """
    kind = f"{table}|{operation!s}|".encode()
    return partial(Struct(f"<{len(kind)}sqQq").pack, kind)
