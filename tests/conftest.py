"""How the suite is divided between the processes of ``pytest -n``.

A folder's tests share real parts that are slow to start, so a folder stays in one process. What takes longest begins
first, so that nobody is left with it at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler.loadscope import LoadScopeScheduling

LONG = ("acceptance", "votes", "demo", "connector", "stack", "operations", "migration", "pipeline", "arena", "api")
"""Folders in the order in which they begin; the others follow."""


def folder_of(nodeid: str) -> str:
    """The folder below ``tests`` that a test belongs to."""
    return nodeid.split("/")[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make soak`."""
    parser.addoption("--soak", action="store_true", help="outages as long as they are promised to be survived")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long folders first; the order within a folder stays."""
    items.sort(key=lambda item: LONG.index(folder) if (folder := folder_of(item.nodeid)) in LONG else len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand out folders, in the order in which they were collected."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class Folders(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return folder_of(nodeid)

    config.option.loadscopereorder = False
    return Folders(config, log)
