"""A ClickHouse for the migrations: one process a session, one database a test."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.clickhouse_process import DoorProcess, running_door

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client


@pytest.fixture(scope="package")
def shared_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoorProcess]:
    """The process that all these tests share."""
    with running_door(tmp_path_factory.mktemp("migrate")) as door:
        yield door


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
