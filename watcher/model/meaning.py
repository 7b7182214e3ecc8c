"""What a change counted for, and what it counts for by the present handlers."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec
from xxhash import xxh3_128_digest

from watcher.model.change import ChangeEvent, Operation
from watcher.model.counts import Total
from watcher.model.effects import MetricDelta
from watcher.model.identity import digest, digested
from watcher.model.metric_row import MetricRow
from watcher.model.registry import Table
from watcher.model.repair import FIRST_INDEX

COUNTING: Final = frozenset((Operation.CREATE, Operation.UPDATE, Operation.DELETE))
"""Operations that move counts. A row that a snapshot read has no identity of its own, and an emptied table no rows."""


class MeaningKind(StrEnum):
    """How what a change counts for now differs from what was counted of it."""

    ADDED = "added"
    """It counted for nothing, and counts now."""
    CHANGED = "changed"
    """It counts for something else."""
    REMOVED = "removed"
    """It counts for nothing any more."""
    REPAIRED = "repaired"
    """It was never counted, and a repair of its row has seen to it: left to a comparison."""


class MovedTotal(msgspec.Struct, frozen=True):
    """A total of a change whose amount is another one."""

    total: Total
    wanted: int
    """By the present handlers."""
    counted: int
    """As it was counted, with what earlier replays have added."""


class ChangedMeaning(msgspec.Struct, frozen=True):
    """A change that counts for something else than was counted."""

    key: int
    lsn: int
    committed_ms: int
    """Milliseconds since 1970."""
    identity: bytes
    rows_there: int
    """Rows that it has in the table."""
    earlier: int
    """Rows of earlier replays of it."""
    totals: tuple[MovedTotal, ...]

    @property
    def kind(self) -> MeaningKind:
        """Return how what it counts for differs from what was counted."""
        if not self.rows_there and not self.earlier:
            return MeaningKind.ADDED
        return MeaningKind.CHANGED if any(one.wanted for one in self.totals) else MeaningKind.REMOVED

    def rows(self, table: str) -> Iterator[MetricRow]:
        """Yield the rows that make what was counted of it what it counts for, under the time of its commit.

        One that was never counted gets its own identity, so that it is one that is there should it come again. Else the
        identity is made of what was counted and what is right, the same for everybody who finds the same.

        >>> one = MovedTotal(("User", 7, 7, "crucibleCount"), 2, 1)
        >>> change = ChangedMeaning(1, 4096, 0, bytes(16), 1, 0, (one,))
        >>> [(row[4], row[10]) for row in change.rows("Crucible")]
        [(1, 128)]
        """
        new = self.kind is MeaningKind.ADDED
        who, first = (self.identity, 0) if new else (self._identity(table), FIRST_INDEX)
        for index, one in enumerate(self.totals, first):
            entity_type, entity, user, metric_type = one.total
            value = one.wanted - one.counted
            yield (
                entity_type,
                entity,
                user,
                metric_type,
                value,
                self.committed_ms,
                table,
                self.key,
                self.lsn,
                who,
                index,
            )

    def _identity(self, table: str) -> bytes:
        said = (table, self.key, self.lsn, self.committed_ms, self.earlier)
        totals = [(one.total, one.wanted, one.counted) for one in self.totals]
        return xxh3_128_digest(msgspec.json.encode(("meaning", said, totals)))


def rows_of_change(table: Table[Any], event: ChangeEvent[Any]) -> Iterator[MetricRow]:
    """Yield the rows of a change by the present handlers, as the change loop makes them; of no value if there are none.

    Whatever a handler raises is raised.
    """
    source, key = event.source, event.row.id
    committed_us = source.ts_us or source.ts_ms * 1000
    who = digest(digested(table.name, event.op.value)(key, source.lsn, committed_us))
    index = -1
    for index, one in enumerate(_deltas(table, event)):
        yield (
            *(one.entity_type, one.entity_id, one.user_id, one.metric_type, one.value),
            *(source.ts_ms, table.name, key, source.lsn, who, index),
        )
    if index < 0:  # so that it is known that there was a change
        yield "", 0, 0, "", 0, source.ts_ms, table.name, key, source.lsn, who, 0


def _deltas(table: Table[Any], event: ChangeEvent[Any]) -> Iterable[MetricDelta]:
    for handler in table.answering(event.op):
        for effect in handler(event):
            if isinstance(effect, MetricDelta):
                yield effect
