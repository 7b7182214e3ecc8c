"""Envelopes for the benchmarks: the shape that the connector sends, with other numbers in it.

The mix is that of a busy contest: four in five are new entries, one in ten is a score written back (which moves no
count), one in ten is an entry withdrawn.
"""

from collections.abc import Iterator

CRUCIBLES = 200
USERS = 5_000
FIRST_LSN = 24_000_000
FIRST_COMMIT_US = 1_767_225_600_000_000


def _row(entry: int, score: int) -> str:
    return (
        f'{{"id":{entry},"crucibleId":{entry % CRUCIBLES + 1},"userId":{entry * 7 % USERS + 1},"imageId":{entry + 9},'
        f'"score":{score},"voteCount":{score - 1500},"position":null,"buzzTransactionId":null,'
        f'"createdAt":{FIRST_COMMIT_US // 1000 + entry}}}'
    )


def entries(count: int, seed: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of ``count`` changes of CrucibleEntry, in commit order; ``seed`` shifts ids and log positions."""
    base = seed * count
    for number in range(count):
        kind = number % 10
        entry = base + number + 1
        before, after, op = "null", _row(entry, 1500), "c"
        if kind == 8:
            entry -= 4
            before, after, op = _row(entry, 1500), _row(entry, 1532), "u"
        elif kind == 9:
            entry -= 4
            before, after, op = _row(entry, 1500), "null", "d"
        at = FIRST_COMMIT_US + (base + number) * 2_000
        lsn = FIRST_LSN + (base + number) * 264
        value = (
            f'{{"before":{before},"after":{after},"source":{{"version":"3.7.0.Final","connector":"postgresql",'
            f'"name":"crucible","ts_ms":{at // 1000},"snapshot":"false","db":"crucible",'
            f'"sequence":"[\\"{lsn - 264}\\",\\"{lsn}\\"]","ts_us":{at},"ts_ns":{at}000,"schema":"public",'
            f'"table":"CrucibleEntry","txId":{number + 700},"lsn":{lsn},"xmin":null}},"transaction":null,'
            f'"op":"{op}","ts_ms":{at // 1000 + 9},"ts_us":{at + 9_000},"ts_ns":{at + 9_000}000}}'
        )
        yield b'{"id":%d}' % entry, value.encode()
