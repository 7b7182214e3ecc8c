"""What a row counts for while it is there, as its table says: by this rows and counts are compared without a stream."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

Total = tuple[str, int, int, str]
"""Entity type, entity, user, metric type: what metric events are added up by."""
MAX_METRIC_TYPES: Final = 1_000
"""Types of metrics that a table has room for."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """One metric that a row moves by being there; its handlers move it up and down as the row comes, changes and goes.

    >>> Count(entity_type="Crucible", entity="crucible_id", user="user_id", metric_type="Entry").metric
    'Crucible/Entry'
    """

    entity_type: str
    entity: str
    """Field of the row with the entity's id."""
    user: str
    """Field of the row with the user's id."""
    metric_type: str
    value: int | str = 1
    """How much: a number, or the field of the row that says it."""
    where: tuple[str, str] | None = None
    """Field and text: only rows that have it there count; None: all do."""

    @property
    def metric(self) -> str:
        """Return entity type and metric type as one text."""
        return f"{self.entity_type}/{self.metric_type}"


class TimeColumn(msgspec.Struct, frozen=True):
    """Where a moment of a row stands: in a column of its own table, or of the row with the same key in another one."""

    column: str
    table: tuple[str, str] | None = None
    """Schema and name of the other table."""
    key: str = "id"
    """Column of the other table's key."""


class CountedTable(msgspec.Struct, frozen=True):
    """A source table, as rows and counts are compared."""

    schema: str
    name: str
    """Also the ``source`` of its metric events."""
    key: str
    """Column of the primary key."""
    counts: tuple[Count, ...]
    """With columns in the places of fields."""
    crucible: str | None = None
    """Column with the id of the crucible that a row is of."""
    made: TimeColumn | None = None
    """When a row was made, or before: not later than anything was counted of it. None: it does not say."""
    changed: TimeColumn | None = None
    """When it was last changed. None: it does not say."""

    @property
    def entity_types(self) -> tuple[str, ...]:
        """Return the types of entities that are counted for, in the order in which they are numbered, from 1."""
        return tuple(dict.fromkeys(count.entity_type for count in self.counts))

    @property
    def metric_types(self) -> tuple[str, ...]:
        """Return the types of metrics, in the order in which they are numbered, from 1."""
        return tuple(dict.fromkeys(count.metric_type for count in self.counts))

    def number(self, entity_type: str, metric_type: str) -> int:
        """Return the number that a metric has in sums and answers; a type that the table does not name has number 0.

        >>> table = CountedTable("public", "T", "id", (Count(entity_type="A", entity="", user="", metric_type="b"),))
        >>> table.number("A", "b"), table.number("A", "other")
        (1001, 1000)
        """
        kinds, metrics = self.entity_types, self.metric_types
        first = kinds.index(entity_type) + 1 if entity_type in kinds else 0
        return first * MAX_METRIC_TYPES + (metrics.index(metric_type) + 1 if metric_type in metrics else 0)


def counted_for(counts: Iterable[Count], row: Any) -> Counter[Total]:
    """Return what a row counts for.

    Args:
        counts: of its table.
        row: of the table's row type.
    """
    found: Counter[Total] = Counter()
    for count in counts:
        if count.where is None or getattr(row, count.where[0]) == count.where[1]:
            total = (count.entity_type, getattr(row, count.entity), getattr(row, count.user), count.metric_type)
            found[total] += count.value if isinstance(count.value, int) else getattr(row, count.value)
    return Counter({total: value for total, value in found.items() if value})


def with_columns(
    schema: str,
    name: str,
    row: type[msgspec.Struct],
    counts: Sequence[Count],
    *,
    key: str = "id",
    made: TimeColumn | None = None,
    changed: TimeColumn | None = None,
) -> CountedTable:
    """Return a table whose counts name columns, as the row type's fields are called in the table.

    The crucible that a row is of is the one that it counts for; the row of a crucible itself counts for none.
    """
    crucibles = [count.entity for count in counts if count.entity_type == "Crucible"]
    column = {field.name: field.encode_name for field in msgspec.structs.fields(row)}
    return CountedTable(
        schema=schema,
        name=name,
        key=column[key],
        crucible=column[crucibles[0]] if crucibles else column[key] if name == "Crucible" else None,
        made=made,
        changed=changed,
        counts=tuple(
            msgspec.structs.replace(
                count,
                entity=column[count.entity],
                user=column[count.user],
                value=count.value if isinstance(count.value, int) else column[count.value],
                where=None if count.where is None else (column[count.where[0]], count.where[1]),
            )
            for count in counts
        ),
    )
