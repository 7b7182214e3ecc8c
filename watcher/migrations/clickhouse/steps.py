"""Reads a migration file as a list of steps; pure.

A file is a comment that says why, then sections, each under a line ``-- kind words --``:

    -- statements --                       statements, each ended by a semicolon; each may run twice
    -- stamp TABLE COLUMN --               a column with the time at which a row came in
    -- buffer NAME of TABLE --             a Buffer table that has all the columns of the table behind it
    -- view NAME of TABLE by COLUMN --     a materialized view, in the five sections that follow it:
    -- target --                           the table that it fills
    -- select --                           its SELECT, with @rows and @bucket
    -- key --                              columns of the raw table that split the fill into buckets
    -- fingerprint --                      expressions of the target that tell one fill from another
    -- reader --                           what people read, made when the fill is done
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from watcher.migrations.ledger import MigrationError
from watcher.model.words import counted

_SECTION: Final = re.compile(r"^-- (?P<head>[a-z]+(?: \w+)*) --\n", re.MULTILINE)
_STATEMENT_END: Final = re.compile(r";[ \t]*(?:\n|\Z)")
_VIEW_SECTIONS: Final = ("target", "select", "key", "fingerprint", "reader")


@dataclass(frozen=True, slots=True)
class RepeatableSql:
    """SQL that may run any number of times."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """A column that is added to a table and tells when a row came in."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class BufferTable:
    """A Buffer table before ``table``."""

    name: str
    table: str
    create: str


@dataclass(frozen=True, slots=True)
class View:
    """A materialized view, the table that it fills and the view that people read."""

    target: str
    source: str
    stamp: str
    create_target: str
    select: str
    key: str
    fingerprint: str
    create_reader: str

    @property
    def name(self) -> str:
        """Return the materialized view's own name."""
        return f"{self.target}_mv"


MigrationStep = RepeatableSql | Stamp | BufferTable | View


def read_steps(text: str) -> tuple[MigrationStep, ...]:
    r"""Return the steps of a migration.

    Raises:
        MigrationError: a section that is unknown, incomplete or out of place.

    >>> read_steps("-- Why.\n\n-- stamp events at --\n")
    (Stamp(table='events', column='at'),)
    """
    return tuple(_steps(_SECTION.split(text)))


def _steps(pieces: list[str]) -> Iterator[MigrationStep]:
    sections = list(zip(pieces[1::2], pieces[2::2], strict=True))
    while sections:
        head, body = sections.pop(0)
        match head.split():
            case ["statements"]:
                yield RepeatableSql(_statements(body))
            case ["stamp", table, column]:
                yield Stamp(table, column)
            case ["buffer", name, "of", table]:
                yield BufferTable(name, table, _one(head, body))
            case ["view", target, "of", source, "by", stamp]:
                parts, sections = sections[: len(_VIEW_SECTIONS)], sections[len(_VIEW_SECTIONS) :]
                if tuple(name for name, _ in parts) != _VIEW_SECTIONS:
                    raise MigrationError(f"-- {head} -- must be followed by the sections {', '.join(_VIEW_SECTIONS)}")
                target_text, select, key, fingerprint, reader = (part.strip() for _, part in parts)
                yield View(target, source, stamp, _one(head, target_text), select, key, fingerprint, _one(head, reader))
            case _:
                raise MigrationError(
                    f"-- {head} -- is not a section that a migration can have here; expected statements, "
                    "stamp TABLE COLUMN, buffer NAME of TABLE, or view TARGET of TABLE by COLUMN"
                )


def _statements(body: str) -> tuple[str, ...]:
    return tuple(text.strip() for text in _STATEMENT_END.split(body) if text.strip())


def _one(head: str, body: str) -> str:
    found = _statements(body)
    if len(found) != 1:
        raise MigrationError(f"-- {head} -- holds {counted(len(found), 'statement')}, expected one")
    return found[0]
