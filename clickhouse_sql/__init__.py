"""SQL for ClickHouse, kept in files that a database administrator can read.

Two folders: ``migrations/NNNN_what.sql`` builds the schema, one reason a file; ``queries/*.sql`` holds the questions
that the program asks, each under a header ``-- name --`` and a line that says why.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

_HEADER: Final = re.compile(r"^-- (?P<name>\w+) --$", re.MULTILINE)
_FILE: Final = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``migrations``. Once it is released its text never changes."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """All migrations, in the order in which they apply.

    Raises:
        ValueError: a file without a number, or a number that is missing or used twice.

    >>> [migration.version for migration in migrations()][:3]
    [1, 2, 3]
    """
    found = []
    for file in files(__name__).joinpath("migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        matched = _FILE.fullmatch(file.name)
        if matched is None:
            raise ValueError(f"migrations/{file.name}: expected a name like 0007_what_it_does.sql")
        found.append(Migration(int(matched["version"]), matched["name"], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are numbered {numbers}; expected 1 to {len(found)}, each once")
    return tuple(found)


@cache
def queries() -> MappingProxyType[str, str]:
    """Every named query, by name.

    Raises:
        ValueError: two queries of one name.
    """
    found: dict[str, str] = {}
    for file in sorted(files(__name__).joinpath("queries").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        pieces = _HEADER.split(file.read_text(encoding="utf-8"))
        for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
            if name in found:
                raise ValueError(f"queries/{file.name}: a query named {name} exists already")
            found[name] = text.strip()
    return MappingProxyType(found)
