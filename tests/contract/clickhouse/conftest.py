"""The server under contract: the door, or the one that CRUCIBLE_TEST_CLICKHOUSE_URL names."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest

from tests.clickhouse_process import DoorProcess, running_door

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

URL_VARIABLE = "CRUCIBLE_TEST_CLICKHOUSE_URL"


@pytest.fixture(scope="package")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Client]]:
    """How to get a client of the server under contract."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        yield lambda **given: clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False, **given)
        return
    with running_door(tmp_path_factory.mktemp("clickhouse")) as door:
        yield door.client


@pytest.fixture
def database(connect: Callable[..., Client]) -> Iterator[str]:
    """A database of the test's own."""
    name = f"contract_{uuid.uuid4().hex}"
    admin = connect()
    admin.command(f"CREATE DATABASE {name}")
    yield name
    admin.command(f"DROP DATABASE {name} SYNC")
    admin.close()


@pytest.fixture
def client(connect: Callable[..., Client], database: str) -> Iterator[Client]:
    """A client in that database."""
    opened = connect(database=database)
    yield opened
    opened.close()


@pytest.fixture
def door(tmp_path: Any) -> Iterator[DoorProcess]:
    """A door of the test's own, to be killed and started again."""
    if os.environ.get(URL_VARIABLE):
        pytest.skip(f"kills its server, which {URL_VARIABLE} has not offered")
    with running_door(tmp_path) as process:
        yield process
