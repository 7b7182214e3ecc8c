"""Which handlers answer which change: a value, built by naming tables, never by scanning folders."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, cast

import msgspec

from watcher.model.change import SITE_SCHEMA, ChangeEvent, Operation, RowT, SourceBlock
from watcher.model.counts import Count, CountedTable, TimeColumn, Total, counted_for, with_columns
from watcher.model.effects import Effect, MetricDelta, StateEffect

WATCHER_SCHEMA: Final = "crucible_watcher"
"""The PostgreSQL schema of the watcher's own tables, unless the setting ``postgres.watcher_schema`` says otherwise."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
"""Names that PostgreSQL, Kafka and Debezium's regular expressions take alike."""

HandlerFunction = Callable[[ChangeEvent[RowT]], Iterable[Effect]]


class Handler(msgspec.Struct, Generic[RowT], frozen=True):
    """A pure function bound to the operations that it answers. Calling it calls the function."""

    name: str
    function: HandlerFunction[RowT]
    operations: tuple[Operation, ...]
    sentence: str
    """First line of the function's docstring: what a product person would say."""

    def __call__(self, event: ChangeEvent[RowT]) -> Iterable[Effect]:
        """Run the function on an event, as a test does."""
        return self.function(event)


def on(*operations: Operation) -> Callable[[HandlerFunction[RowT]], Handler[RowT]]:
    """Make a function the handler of some operations of its table.

    Raises:
        RegistryError: no operation is named, or the function has no docstring.
    """

    def bind(function: HandlerFunction[RowT]) -> Handler[RowT]:
        name = getattr(function, "__name__", repr(function))
        sentence = (function.__doc__ or "").strip().split("\n")[0]
        if not operations or not sentence:
            raise RegistryError(f"handler {name} needs at least one operation and a docstring that says what it does")
        return Handler(name=name, function=function, operations=operations, sentence=sentence)

    return bind


class Table(msgspec.Struct, Generic[RowT], frozen=True):
    """A source table: its row type, the handlers of its changes, and the changes that it ignores with the reason."""

    name: str
    row: type[RowT]
    handlers: tuple[Handler[RowT], ...]
    ignored: Mapping[Operation, str]
    sample: RowT
    """A row for the handler catalogue and for tests."""
    schema: str = SITE_SCHEMA
    """The PostgreSQL schema that the table lies in."""
    counts: tuple[Count, ...] = ()
    """What a row counts for, as its handlers have it: `crucible reconcile` compares rows and counts by it."""
    made: TimeColumn | None = None
    """When a row was made, or before: not later than anything was counted of it. None: it does not say, so it is not
    compared where ClickHouse keeps metric events for some time only."""
    changed: TimeColumn | None = None
    """When a row was last changed. None: it does not say, and `crucible reconcile --since` goes by what was counted."""

    @property
    def qualified(self) -> str:
        """Return the table's name as Debezium spells it: ``public.Crucible``."""
        return f"{self.schema}.{self.name}"

    @property
    def topic(self) -> str:
        """Return the topic that the shipped connectors send the table's changes to: ``postgres.Crucible``."""
        return f"postgres.{self.name}"

    @property
    def counted(self) -> CountedTable:
        """Return the table with what is needed to compare its rows with what was counted of them."""
        row = cast("type[msgspec.Struct]", self.row)
        return with_columns(self.schema, self.name, row, self.counts, made=self.made, changed=self.changed)

    @property
    def shows_rows(self) -> bool:
        """Return whether Redis shows the table's rows: whether a row that a snapshot reads is shown."""
        event = ChangeEvent(Operation.READ, SourceBlock(self.name, 0, 0, schema=self.schema), after=self.sample)
        return any(isinstance(one, StateEffect) for handler in self.answering(Operation.READ) for one in handler(event))

    def answering(self, operation: Operation) -> tuple[Handler[RowT], ...]:
        """Return the handlers of an operation, in the order of their declaration."""
        return tuple(handler for handler in self.handlers if operation in handler.operations)


class Registry(msgspec.Struct, frozen=True):
    """Every table that the watcher answers for."""

    tables: Mapping[str, Table[Any]]

    @classmethod
    def of(cls, *tables: Table[Any]) -> "Registry":
        """Return the registry of these tables, after a check that every operation of each is handled or ignored.

        Raises:
            RegistryError: a table is named twice (topics, metrics and identities know it by its name alone, whatever
                its schema), a name is not plain, or an operation is neither handled nor ignored, or both.
        """
        named: dict[str, Table[Any]] = {}
        for table in tables:
            if table.name in named:
                raise RegistryError(f"table {table.name} is registered twice")
            for name in (table.schema, table.name):
                if not _PLAIN_NAME.fullmatch(name):
                    raise RegistryError(
                        f"table {table.qualified}: given {name!r}, expected letters, digits and _, at most 63 of them"
                    )
            for operation in Operation:
                handled, ignored = bool(table.answering(operation)), operation in table.ignored
                if handled == ignored:
                    state = "both handled and ignored" if handled else "neither handled nor ignored"
                    raise RegistryError(
                        f"{operation.name} of table {table.name} is {state}: name it in one @on(...) or in `ignored`"
                    )
            named[table.name] = table
        return cls(tables=named)

    def with_counts_checked(self) -> "Registry":
        """Return this registry, after a check that each table's ``counts`` say what its handlers count.

        Raises:
            RegistryError: it is something else for a table's sample.
        """
        for table in self:
            by_handlers, said = created(table, table.sample), counted_for(table.counts, table.sample)
            if by_handlers != said:
                raise RegistryError(
                    f"table {table.name}: its handlers count {dict(by_handlers)} when the sample is made, and its "
                    f"`counts` say {dict(said)}: name in `counts` what a row counts for"
                )
        return self

    def with_watcher_schema(self, schema: str) -> "Registry":
        """Return the registry with the watcher's own tables in another schema; ``postgres.watcher_schema`` names it."""
        return Registry(
            {
                name: msgspec.structs.replace(table, schema=schema) if table.schema == WATCHER_SCHEMA else table
                for name, table in self.tables.items()
            }
        )

    def __iter__(self) -> Iterator[Table[Any]]:
        return iter(self.tables.values())


def created(table: Table[Any], row: Any) -> Counter[Total]:
    """Return what a table's handlers count when a row is made."""
    event = ChangeEvent(Operation.CREATE, SourceBlock(table.name, 0, 0, schema=table.schema), after=row)
    found: Counter[Total] = Counter()
    for handler in table.answering(Operation.CREATE):
        for effect in handler(event):
            if isinstance(effect, MetricDelta):
                found[effect.entity_type, effect.entity_id, effect.user_id, effect.metric_type] += effect.value
    return Counter({total: value for total, value in found.items() if value})


class RegistryError(Exception):
    """Raised at import, before anything is read, when the declarations of handlers contradict each other."""
