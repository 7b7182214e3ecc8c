"""The examples in docstrings are what the functions give."""

import doctest
import pkgutil
from importlib import import_module

import pytest

PACKAGES = ("watcher", "handlers", "config", "clickhouse_sql", "stack", "demo", "benchmarks")


def modules() -> list[str]:
    """Every module that may hold an example."""
    return [
        found.name
        for package in PACKAGES
        for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
        if not found.name.endswith("__main__") and not found.name.startswith("stack.leash")
    ]


def examples(name: str) -> list[doctest.DocTest]:
    """Those of a module."""
    return [found for found in doctest.DocTestFinder().find(import_module(name)) if found.examples]


@pytest.mark.parametrize("package", PACKAGES)
def test_examples_give_what_they_say(package: str) -> None:
    """A reader tries them first."""
    runner = doctest.DocTestRunner()
    for name in modules():
        if name.partition(".")[0] == package:
            for one in examples(name):
                runner.run(one)

    assert runner.summarize(verbose=False).failed == 0


def test_examples_are_found() -> None:
    """The control: one that is wrong fails, and those there are were looked at."""
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)

    assert doctest.DocTestRunner().run(wrong, out=lambda _: None).failed == 1
    assert sum(len(examples(name)) for name in modules() if name.startswith("watcher.")) > 50
