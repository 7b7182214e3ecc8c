"""A ClickHouse for the migrations: one process for all, one database a test; and the PostgreSQL that holds the lock."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from stack import Stack
from tests.clickhouse_process import DoorProcess, running_door
from tests.stack.watching import provided
from watcher.migrations.clickhouse import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

TO_THE_FIRST_VIEW = 4
"""Migrations until there is a view. All of them cost a second of processors, each time."""


@pytest.fixture(scope="package")
def shared_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoorProcess]:
    """The process that all these tests share."""
    with running_door(tmp_path_factory.mktemp("migrate")) as door:
        yield door


@pytest.fixture(scope="package")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The PostgreSQL that all these tests share."""
    with provided():
        stack = Stack(tmp_path_factory.mktemp("postgres"), parts=("postgres",))
        stack.start()
    yield stack
    stack.close()


@pytest.fixture
def first_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations end with the first view, that of ``metric_totals``."""
    known = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: known[:TO_THE_FIRST_VIEW])


@pytest.fixture
def new_database(shared_door: DoorProcess) -> Iterator[Callable[[], Client]]:
    """Clients of databases that are new, and gone after the test."""
    made: list[tuple[str, Client]] = []
    admin = shared_door.client()

    def make() -> Client:
        name = f"migrate_{uuid.uuid4().hex}"
        admin.command(f"CREATE DATABASE {name}")
        made.append((name, shared_door.client(database=name)))
        return made[-1][1]

    yield make
    for name, client in made:
        client.close()
        admin.command(f"DROP DATABASE {name} SYNC")
    admin.close()


@pytest.fixture
def client(new_database: Callable[[], Client]) -> Client:
    """A client of a database of the test's own."""
    return new_database()
