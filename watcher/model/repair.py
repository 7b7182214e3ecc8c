"""Metric events that put right what was counted of some rows."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from xxhash import xxh3_128_digest

from watcher.model.counts import Total
from watcher.model.metric_row import MetricRow

FIRST_INDEX: Final = 128
"""Number of a repair's first row of a key. Those of a change begin with 0, so repairs are told from changes by it."""


class RepairPlan(msgspec.Struct, frozen=True):
    """A repair that was decided: rows to be written, and the changes that they see to."""

    id: int
    table: str
    history: int
    lsn: int
    """Changes up to this position are in what was compared; later ones are the stream's."""
    keys: tuple[int, ...]
    kinds: Mapping[str, int]
    token: str
    planned: bytes
    """Rows of ``entityMetricEvents``, packed."""
    doubtful: bool = True
    """Whether ClickHouse may know the token without having the rows: whoever planned it may have sent it."""


def identity(table: str, key: int, wrong: Mapping[Total, int], earlier: int) -> bytes:
    """Return the identity of a repair of one row, the same for everybody who finds the same.

    Args:
        table: source table.
        key: of the row.
        wrong: by how much was counted too little of what.
        earlier: rows of earlier repairs of it: what was wrong once may become wrong in the same way again.

    >>> wrong = {("User", 7, 7, "crucibleCount"): 1}
    >>> identity("Crucible", 1, wrong, 0) == identity("Crucible", 1, wrong, 0)
    True
    >>> identity("Crucible", 1, wrong, 0) == identity("Crucible", 1, wrong, 2)
    False
    """
    return xxh3_128_digest(msgspec.json.encode(("repair", table, key, earlier, sorted(wrong.items()))))


def repairing_rows(
    table: str, key: int, wrong: Mapping[Total, int], *, earlier: int, lsn: int, now_ms: int
) -> Iterator[MetricRow]:
    """Yield the rows that make what was counted of a row what it counts for.

    Args:
        table: source table.
        key: of the row.
        wrong: by how much was counted too little of what; below 0: too much.
        earlier: as for :func:`identity`.
        lsn: position in the log up to which changes of the row are seen to.
        now_ms: milliseconds since 1970.
    """
    who = identity(table, key, wrong, earlier)
    for index, (total, value) in enumerate(sorted(wrong.items()), FIRST_INDEX):
        entity_type, entity, user, metric_type = total
        yield entity_type, entity, user, metric_type, value, now_ms, table, key, lsn, who, index


def token_of(rows: Iterable[MetricRow]) -> str:
    """Return the token of an insert of some repairs: the same repairs have the same."""
    return f"repair/{xxh3_128_digest(b''.join(row[9] + bytes([row[10]]) for row in rows)).hex()}"


def vote_event_row(
    crucible_id: int, judge: int, seq: int, at_ms: int, *, counted: int, expected: int, earlier: int
) -> MetricRow:
    """Return the row that makes what was counted of a vote what it counts for; it is dated as the vote.

    Args:
        crucible_id: where it was cast.
        judge: who cast it.
        seq: its number.
        at_ms: when; milliseconds since 1970.
        counted: what its events add up to.
        expected: what they should.
        earlier: rows of earlier repairs of it, as for :func:`identity`.

    >>> vote_event_row(42, 3, 5, 1_999, counted=2, expected=1, earlier=0)[:9]
    ('Crucible', 42, 3, 'Vote', -1, 1999, 'vote', 42, 5)
    """
    total = ("Crucible", crucible_id, judge, "Vote")
    who = identity(f"vote/{seq}/{at_ms // 1000}", crucible_id, {total: expected - counted}, earlier)
    return (*total, expected - counted, at_ms, "vote", crucible_id, seq, who, FIRST_INDEX)
