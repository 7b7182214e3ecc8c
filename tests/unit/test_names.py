"""One noun for one thing: a type's name stands in one file, so that who reads it in another knows which is meant."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = ("benchmarks", "config", "demo", "handlers", "stack", "watcher")
"""Folders whose names are held to it."""
SHARED = {
    "Buzz": "a part of the topology is called as the service is; the watcher's is its port to that",
    "Connect": "a part of the topology is called as the service is; the watcher's is its client of that",
    "Connection": "two aliases of psycopg's, in an audit and in a simulator that are to share nothing",
    "Registry": "a part of the topology is called as the service is; the watcher's has the tables",
}
"""Names that stand in two files, each with the reason."""


def names(source: str) -> Iterator[str]:
    """Yield the public types that a module defines: classes, also those within others, and aliases of types."""
    module = ast.parse(source)
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if name[0].isupper() and not name.isupper() and not is_type_variable(value):
                    yield name
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
                yield name
            case _:
                pass


def is_type_variable(value: ast.expr) -> bool:
    """Return whether it stands for any type; such a name means something within its module alone."""
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "TypeVar"


def named_twice(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names that stand in several files, and in which."""
    files: dict[str, set[str]] = defaultdict(set)
    for file, source in sources.items():
        for name in names(source):
            files[name].add(file)
    return {name: sorted(where) for name, where in files.items() if len(where) > 1}


def test_a_type_has_a_name_of_its_own():
    """A new one that is called as another is either the same thing, and imported, or called by what it is of."""
    sources = {
        str(file.relative_to(ROOT)): file.read_text() for folder in READ for file in (ROOT / folder).rglob("*.py")
    }

    found = named_twice(sources)

    assert {name: where for name, where in found.items() if name not in SHARED} == {}
    assert found.keys() >= SHARED.keys(), "a reason that nothing needs any more"


def test_what_is_named_twice_is_found():
    """The control: classes, inner ones and aliases are found; private names, variables and imports are not."""
    one = """
from elsewhere import Imported
class Outcome: ...
class _Private: ...
class Holder:
    class Inner: ...
RowT = TypeVar("RowT")
LIMIT = 5
"""
    other = """
from elsewhere import Imported
Outcome = int | str
Inner: TypeAlias = tuple[int, str]
class _Private: ...
RowT = TypeVar("RowT")
LIMIT = 5
"""

    assert named_twice({"one.py": one, "other.py": other}) == {
        "Outcome": ["one.py", "other.py"],
        "Inner": ["one.py", "other.py"],
    }
