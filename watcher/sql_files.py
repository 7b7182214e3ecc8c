"""SQL kept in ``.sql`` files, which a database administrator can read: how statements and migrations are found in them.

A file of statements has a header for each, and below it the reason, as a comment:

    -- open_crucibles --
    -- Crucibles that have judges, or will have.
    SELECT id FROM public."Crucible" WHERE status IN ('Pending', 'Active')

A part that several statements share has the header ``-- fragment visible_image --``; they put it in as
``{visible_image}``, and constants of the program likewise. What a parameter can carry is a parameter: only our own
files and constants become SQL.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final, LiteralString

_HEADER: Final = re.compile(r"^-- (?P<kind>fragment )?(?P<name>\w+) --$", re.MULTILINE)
_PLACEHOLDER: Final = re.compile(r"\{(?P<name>\w+)\}")
_WHY: Final = re.compile(r"\A(?:--.*\n)+")
_LEFT_OUT: Final = re.compile(r"^[ \t]+|^[ \t]*--.*\n", re.MULTILINE)
"""Indentation and lines of comment, which are for readers: a server parses, and a driver copies, what is left."""
_NUMBERED: Final = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.sql")
SCHEMA: Final = frozenset({"schema"})
"""The placeholder of the watcher's own schema, whose name is a setting."""

Statements = MappingProxyType[str, LiteralString]
"""SQL by the name in its header."""


def named_statements(
    folder: Traversable,
    *names: str,
    constants: Mapping[str, object] | None = None,
    run_time: Collection[str] = SCHEMA,
) -> Statements:
    """Return the statements of some files, by the name in their header.

    Args:
        folder: where the files are.
        names: the files; all of the folder if none is named. A fragment of one may be used by all.
        constants: what else may stand in braces.
        run_time: names in braces that are left for whoever runs the statement.

    Raises:
        ValueError: two of one name, a header without a reason below it, or a placeholder that nothing fills.
    """
    found: dict[str, str] = {}
    fragments = {name: f"{{{name}}}" for name in run_time} | {name: str(it) for name, it in (constants or {}).items()}
    for name in names or sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql")):
        pieces = _HEADER.split(folder.joinpath(name).read_text(encoding="utf-8"))
        for kind, title, body in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
            text, place = body.strip(), f"{name}: -- {title} --"
            why = _WHY.match(text + "\n")
            if why is None:
                raise ValueError(f"{place} needs a line below it that says why, as a comment")
            if title in found or title in fragments:
                raise ValueError(f"{place} is there already: names are unique over the files that are read together")
            if kind:
                fragments[title] = _filled(text[why.end() :], fragments, place)
            else:
                found[title] = text
    return MappingProxyType({name: _LEFT_OUT.sub("", _filled(text, fragments, name)) for name, text in found.items()})


def _filled(text: str, fragments: Mapping[str, str], place: str) -> LiteralString:
    def fill(placeholder: re.Match[str]) -> str:
        name = placeholder["name"]
        if name not in fragments:
            known = ", ".join(sorted(fragments)) or "none"
            raise ValueError(f"{place}: {{{name}}} is no fragment or constant here; known are: {known}")
        return fragments[name]

    return _PLACEHOLDER.sub(fill, text)


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file. Once it is released its text never changes."""

    version: int
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.version:04d}_{self.name}"

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration as the store that it was applied to has recorded it."""

    version: int
    name: str
    checksum: str
    """Of the file that was applied, SHA-256 in hexadecimal."""
    applied_at: datetime
    """With time zone."""

    def __str__(self) -> str:
        return f"{self.version:04d}_{self.name}"


def numbered_migrations(folder: Traversable) -> tuple[Migration, ...]:
    """Return the migrations of a folder, in the order in which they apply.

    Raises:
        ValueError: a file without a number, or a number that is missing or used twice.
    """
    found = []
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        matched = _NUMBERED.fullmatch(file.name)
        if matched is None:
            raise ValueError(f"{folder.name}/{file.name}: expected a name like 0007_what_it_does.sql")
        found.append(Migration(int(matched["version"]), matched["name"], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"{folder.name}: migrations are numbered {numbers}; expected 1 to {len(found)}, each once")
    return tuple(found)
