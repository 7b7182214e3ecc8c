"""What the handlers do, found by calling each with its table's sample row, once per operation."""

from typing import Final

import msgspec

from watcher.model.change import ChangeEvent, Operation, Row, SourceBlock
from watcher.model.registry import Handler, Registry, Table

SAMPLE_LSN: Final = 26_718_208
"""Log position of the sample change, in bytes."""
SAMPLE_TIME_MS: Final = 1_760_000_000_000
"""Commit time of the sample change, in milliseconds since 1970."""


class DescribedHandler(msgspec.Struct, frozen=True):
    """A handler, as the catalogue shows it."""

    name: str
    sentence: str
    operations: tuple[str, ...]
    effects: tuple[str, ...]
    """What the sample row brings about, one line an operation and effect."""


class DescribedTable(msgspec.Struct, frozen=True):
    """A table, as the catalogue shows it."""

    name: str
    schema: str
    topic: str
    """Where the shipped connectors send its changes."""
    handlers: tuple[DescribedHandler, ...]
    ignored: dict[str, str]
    sample: str
    """The sample row as JSON, under the columns' own names."""


def catalogue(registry: Registry) -> list[DescribedTable]:
    """Return a description of every table that the registry answers for, in its order."""
    return [
        DescribedTable(
            name=table.name,
            schema=table.schema,
            topic=table.topic,
            handlers=tuple(_described(table, handler) for handler in table.handlers),
            ignored={operation.name: reason for operation, reason in table.ignored.items()},
            sample=msgspec.json.encode(table.sample).decode(),
        )
        for table in registry
    ]


def handlers_page(tables: list[DescribedTable]) -> str:
    """Return the catalogue as a page of the documentation, in Markdown."""
    lines = [
        "# Handlers",
        "",
        "This page is generated: `make docs`. The effects are those of the sample row; for an",
        "update it stands before and after, so only what an unchanged row brings about is shown.",
    ]
    for table in tables:
        lines += ["", f"## {table.name}", "", f'`{table.schema}."{table.name}"`, read from `{table.topic}`.']
        lines += ["", "| handler | operations | what it says | effects |", "|---|---|---|---|"]
        lines += [
            f"| `{one.name}` | {', '.join(one.operations)} | {one.sentence} | "
            f"{'<br>'.join(f'`{effect}`' for effect in one.effects) or 'none'} |"
            for one in table.handlers
        ]
        lines += [f"| ignored | {operation} | {reason} | none |" for operation, reason in table.ignored.items()]
        lines += ["", "A sample row:", "", "```json", table.sample, "```"]
    return "\n".join(lines) + "\n"


def _described(table: Table[Row], handler: Handler[Row]) -> DescribedHandler:
    effects = []
    for operation in handler.operations:
        event = _sample(table, operation)
        effects += [f"{operation.name}: {_line(effect)}" for effect in handler(event)]
    names = tuple(operation.name for operation in handler.operations)
    return DescribedHandler(handler.name, handler.sentence, names, tuple(effects))


def _sample(table: Table[Row], operation: Operation) -> ChangeEvent[Row]:
    source = SourceBlock(table=table.name, schema=table.schema, lsn=SAMPLE_LSN, ts_ms=SAMPLE_TIME_MS)
    old = table.sample if operation in {Operation.UPDATE, Operation.DELETE} else None
    new = table.sample if operation in {Operation.CREATE, Operation.UPDATE, Operation.READ} else None
    return ChangeEvent(op=operation, source=source, before=old, after=new)


def _line(effect: msgspec.Struct) -> str:
    """Return an effect on one line: its type and the fields that are set."""
    fields = " ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(effect).items() if value is not None)
    return f"{type(effect).__name__} {fields}"
