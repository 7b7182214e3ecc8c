"""Docstrings say what a reader gets; one of three words leaves the reader to guess."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FEWEST_WORDS = 4
READ = ("benchmarks", "clickhouse_sql", "config", "debezium", "demo", "handlers", "stack", "watcher")
"""Folders whose docstrings are held to it."""


def offenders(source: str) -> Iterator[str]:
    """Line and name of each module, class and function whose docstring is too short, or that lacks it and is public."""
    module = ast.parse(source)
    if module.body:
        yield from _offence(module, "the module", required=True)
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            yield from _offence(node, node.name, required=not node.name.startswith("_"))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _offence(node, node.name, required=False)  # ruff asks for it


def _offence(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str, *, required: bool
) -> Iterator[str]:
    said = ast.get_docstring(node)
    if required if said is None else len(said.split()) < FEWEST_WORDS:
        yield f"{getattr(node, 'lineno', 1)}: {name}: {said or 'no docstring'}"


@pytest.mark.parametrize("folder", READ)
def test_a_docstring_says_what_a_reader_gets(folder: str):
    """None has three words or fewer, and every module with code and every public class has one."""
    found = [
        f"{file.relative_to(ROOT)}:{offence}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for offence in offenders(file.read_text())
    ]

    assert found == []


def test_what_is_too_short_is_found():
    """The control: riddles and gaps are named, whole sentences, empty modules and private classes are not."""
    source = '''
class Told:
    """Whom it tells."""

    def wake(self):
        """Wake it."""

    def count(self):
        """Return the number of votes."""


class Bare:
    pass


class _Hidden:
    pass
'''

    assert list(offenders("")) == []
    assert list(offenders(source)) == [
        "1: the module: no docstring",
        "2: Told: Whom it tells.",
        "12: Bare: no docstring",
        "5: wake: Wake it.",
    ]
