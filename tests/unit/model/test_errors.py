"""The tree of errors that the page shows is the tree that there is."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

import watcher
from watcher.model import errors


def below(kind: type) -> Iterator[tuple[str, str]]:
    """Each error below, with the one right above it."""
    for one in kind.__subclasses__():
        if one.__module__.startswith("watcher."):
            yield one.__name__, kind.__name__
            yield from below(one)


def drawn() -> Iterator[tuple[str, str]]:
    """The same, as the docstring draws it."""
    above = ["WatcherError"]
    for branch, name in re.findall(r"^([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4 + 1
        yield name, above[depth - 1]
        above[depth:] = [name]


def test_the_tree_of_errors_is_drawn_whole() -> None:
    """Whoever catches one has to know what it includes; the drawing is where people look."""
    for module in pkgutil.walk_packages(watcher.__path__, "watcher."):
        if not module.name.endswith("__main__"):
            import_module(module.name)

    assert sorted(drawn()) == sorted(set(below(errors.WatcherError)))
