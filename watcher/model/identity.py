"""What makes a change that change, wherever and however often it is delivered.

Debezium re-sends after a crash, operators rewind offsets, topics grow partitions and are made anew: a position in
Kafka says nothing. The table, the row's key, the operation, the place in the write-ahead log and the commit time are
the same in every delivery, and differ after a restore or failover that uses the same log positions again.
"""

from xxhash import xxh3_128_digest

SIZE = 16
"""Bytes of an identity. At 128 bits a collision among 10^12 changes has a chance of 10^-15. XXH3's result is fixed by
its specification, and the input is numbers of our own, so that nobody can choose it to collide."""


def identity(table: str, key: int, operation: str, lsn: int, committed_us: int) -> bytes:
    """The 128-bit identity of a change.

    Args:
        table: name of the source table, without its schema.
        key: primary key of the row.
        operation: the envelope's ``op`` code.
        lsn: position in the write-ahead log, in bytes.
        committed_us: commit time in microseconds since 1970.

    >>> once = identity("CrucibleEntry", 7, "c", 4096, 1_700_000_000_000_000)
    >>> once == identity("CrucibleEntry", 7, "c", 4096, 1_700_000_000_000_000)
    True
    >>> once == identity("CrucibleEntry", 8, "c", 4096, 1_700_000_000_000_000)  # its neighbour in one COPY
    False
    """
    return xxh3_128_digest(f"{table}|{key}|{operation}|{lsn}|{committed_us}".encode())
