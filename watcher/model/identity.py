"""What makes a change that change, wherever and however often it is delivered.

Debezium re-sends after a crash, operators rewind offsets, topics grow partitions and are made anew: a position in
Kafka says nothing. The table, the row's key, the operation, the place in the write-ahead log and the commit time are
the same in every delivery, and differ after a restore or failover that uses the same log positions again.
"""

from struct import Struct

from xxhash import xxh3_128_digest

SIZE = 16
"""Bytes of an identity. At 128 bits a collision among 10^12 changes has a chance of 10^-15. XXH3's result is fixed by
its specification, and the input is numbers of our own, so that nobody can choose it to collide."""


_numbers = Struct("<qQq").pack


def kind(table: str, operation: str) -> bytes:
    """What the changes of a table and operation have in common, put into words once and not per change.

    Args:
        table: name of the source table, without its schema.
        operation: the envelope's ``op`` code.

    >>> kind("CrucibleEntry", "c")
    b'CrucibleEntry|c|'
    """
    return f"{table}|{operation!s}|".encode()


def identity(of_kind: bytes, key: int, lsn: int, committed_us: int) -> bytes:
    """The 128-bit identity of a change.

    Args:
        of_kind: table and operation, as ``kind`` puts them.
        key: primary key of the row.
        lsn: position in the write-ahead log, in bytes.
        committed_us: commit time in microseconds since 1970.

    >>> once = identity(kind("CrucibleEntry", "c"), 7, 4096, 1_700_000_000_000_000)
    >>> once == identity(b"CrucibleEntry|c|", 7, 4096, 1_700_000_000_000_000)
    True
    >>> once == identity(b"CrucibleEntry|c|", 8, 4096, 1_700_000_000_000_000)  # its neighbour in one COPY
    False
    """
    return xxh3_128_digest(of_kind + _numbers(key, lsn, committed_us))
