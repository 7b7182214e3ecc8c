"""The shipped files that name the watched tables, written from the registry so that none of them can be forgotten.

Two ways, by what a file can hold: where it has comments, the lines between two marks are replaced; in JSON and in
properties, the values of single keys are.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from watcher.model.change import SITE_SCHEMA
from watcher.model.registry import WATCHER_SCHEMA, Registry, Table
from watcher.postgres.site.read_tables import READ_TABLES

_MARKED: Final = re.compile(
    r"^(?P<begin>[^\n]*written by `make docs` from [^\n]*: begin[^\n]*\n)"
    r".*?"
    r"(?P<end>^[^\n]*written by `make docs`: end[^\n]*$)",
    re.MULTILINE | re.DOTALL,
)
TOPICS_MODULE: Final = '''\
"""The default of ``kafka.topics``. This file is generated: `make docs`."""

TOPICS = (
{lines}
)
"""Where the shipped connectors send the changes of the tables of ``handlers/__init__.py``, in its order."""
'''


class MarkMissingError(Exception):
    """Raised when a file lacks the place that a list of tables is written to."""


def table_lists(registry: Registry, read: Callable[[str], str]) -> dict[str, str]:
    """Return every shipped file that lists the watched tables, as it should be.

    Args:
        registry: the watched tables.
        read: returns the present text of a file, given its path in the project.

    Returns:
        path in the project -> whole text.

    Raises:
        MarkMissingError: a file has lost its marks or its key; the message names both.
    """
    tables = tuple(registry)
    watched = [table.qualified for table in tables]
    readable = [table.qualified for table in tables if table.schema != WATCHER_SCHEMA]
    readable += [name for name in map(f"{SITE_SCHEMA}.{{}}".format, READ_TABLES) if name not in readable]
    files = {"config/topics.py": TOPICS_MODULE.format(lines="\n".join(f'    "{table.topic}",' for table in tables))}
    for name, lines in {
        "debezium/postgres/replication.sql": _sql_array("watched", watched),
        "debezium/postgres/watcher.sql": _sql_array("reads", readable),
        "debezium/README.md": _readme_table(tables),
        "debezium/application.properties": [f"#   {table.topic}" for table in tables],
    }.items():
        files[name] = _with_lines(name, read(name), lines)
    for name, (line, prefix) in {
        "debezium/connector.json": ('    "{}": "{}",', ""),
        "debezium/connector-avro.json": ('    "{}": "{}",', ""),
        "debezium/application.properties": ("debezium.{}={}", "source."),
    }.items():
        text = files.get(name) or read(name)
        text = _with_value(name, text, line, f"{prefix}table.include.list", ",".join(watched))
        files[name] = _with_value(name, text, line, "transforms.route.regex", _route(tables))
    return files


def _route(tables: Iterable[Table[Any]]) -> str:
    """Return what Kafka Connect's RegexRouter matches topics with, each backslash doubled as in both kinds of file."""
    schemas = list(dict.fromkeys(table.schema for table in tables))
    one_of = schemas[0] if len(schemas) == 1 else f"(?:{'|'.join(schemas)})"
    return rf"crucible\\.{one_of}\\.(.*)"


def _sql_array(name: str, entries: list[str]) -> list[str]:
    quoted = [f"        '{entry}'" for entry in entries]
    return [f"    {name} text[] := ARRAY[", *(f"{entry}," for entry in quoted[:-1]), quoted[-1], "    ];"]


def _readme_table(tables: Iterable[Table[Any]]) -> list[str]:
    rows = [
        f'| `{table.schema}."{table.name}"` | `{table.topic}` | [here](../docs/handlers.md#{table.name.lower()}) |'
        for table in tables
    ]
    return ["| table | topic | what its changes do |", "|---|---|---|", *rows]


def _with_lines(name: str, text: str, lines: Iterable[str]) -> str:
    """Return the text with these lines between its marks."""
    body = "".join(f"{line}\n" for line in lines)
    written, count = _MARKED.subn(lambda found: f"{found['begin']}{body}{found['end']}", text)
    if count != 1:
        raise MarkMissingError(f"{name}: expected one pair of lines with `written by make docs`, found {count}")
    return written


def _with_value(name: str, text: str, line: str, key: str, value: str) -> str:
    """Return the text with another value of this key, which has a line of its own."""
    before, after = line.format(key, "\n").split("\n")
    written, count = re.subn(
        f"^{re.escape(before)}.*{re.escape(after)}$", lambda _: f"{before}{value}{after}", text, flags=re.MULTILINE
    )
    if count != 1:
        raise MarkMissingError(f"{name}: expected one line of the key {key}, found {count}")
    return written
