"""Which handlers answer which change: a value, built by naming tables, never by scanning folders."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic

import msgspec

from watcher.model.change import ChangeEvent, Operation, RowT
from watcher.model.effects import Effect

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

    def answering(self, operation: Operation) -> tuple[Handler[RowT], ...]:
        """The handlers of an operation, in the order of their declaration."""
        return tuple(handler for handler in self.handlers if operation in handler.operations)


class Registry(msgspec.Struct, frozen=True):
    """Every table that the watcher answers for."""

    tables: Mapping[str, Table[Any]]

    @classmethod
    def of(cls, *tables: Table[Any]) -> "Registry":
        """Build the registry and check that no operation of a table is left open.

        Raises:
            RegistryError: a table is named twice, or one of its operations is neither handled nor ignored, or both.
        """
        named: dict[str, Table[Any]] = {}
        for table in tables:
            if table.name in named:
                raise RegistryError(f"table {table.name} is registered twice")
            for operation in Operation:
                handled, ignored = bool(table.answering(operation)), operation in table.ignored
                if handled == ignored:
                    state = "both handled and ignored" if handled else "neither handled nor ignored"
                    raise RegistryError(
                        f"{operation.name} of table {table.name} is {state}: name it in one @on(...) or in `ignored`"
                    )
            named[table.name] = table
        return cls(tables=named)

    def __iter__(self) -> Iterator[Table[Any]]:
        return iter(self.tables.values())


class RegistryError(Exception):
    """The handlers' declarations contradict each other. Raised at import, before anything is read."""
