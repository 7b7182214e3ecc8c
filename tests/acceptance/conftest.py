"""What the proofs share: the parts, and a corner of them for each test."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import clickhouse_connect
import psycopg
import pytest

from stack.topology import Options, Stack
from tests.acceptance.daemon import REPOSITORY
from tests.acceptance.world import World
from tests.site_database import SCHEMA
from tests.stack.watching import provided

TEMPLATE = "template_of_the_proofs"
ABREAST = 3
"""Stories told at a time; each has up to two watchers, and the parts are shared by all."""


@pytest.fixture(scope="package")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Redis, ClickHouse and PostgreSQL, once for these tests, with ClickHouse's schema in a template."""
    with provided():
        stack = Stack(
            tmp_path_factory.mktemp("proofs"), ("kafka", "redis", "clickhouse", "postgres"), Options(fsync=False)
        )
        stack.start()
    try:
        with psycopg.connect(str(stack.endpoints.postgres_dsn), autocommit=True) as site:
            site.execute(SCHEMA.read_bytes())  # without rows: the stories' site is their history
        _migrate(stack)
        yield stack
    finally:
        stack.close()


def _migrate(stack: Stack) -> None:
    server = stack.endpoints
    client = clickhouse_connect.get_client(
        host=server.clickhouse_host,
        port=server.clickhouse_port,
        username=server.clickhouse_user,
        password=server.clickhouse_password or "",
    )
    client.command(f"CREATE DATABASE {TEMPLATE}")
    client.close()
    environ = {**os.environ, **stack.environ(), "CRUCIBLE_CLICKHOUSE__DATABASE": TEMPLATE}
    subprocess.run([sys.executable, "-m", "watcher", "migrate", "up"], check=True, env=environ, cwd=REPOSITORY)


@pytest.fixture
def make_world(parts: Stack, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Corners of the parts; whatever a test did to the parts is mended after it."""
    made: list[World] = []

    def make(partitions: int = 1, **settings: str) -> World:
        made.append(World(parts, TEMPLATE, tmp_path, partitions, **settings))
        return made[-1]

    yield make
    for part in parts.parts:
        part.resume()
        part.start()
        part.await_ready()
    for world in made:
        world.close()


@pytest.fixture(scope="module")
def tell(parts: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Future[Any]]]:
    """Tells a story in a corner of its own, beside others that were begun: most of a story is waiting."""
    pool = ThreadPoolExecutor(ABREAST)

    def run(story: Callable[..., Any], *given: Any) -> Any:
        world = World(parts, TEMPLATE, tmp_path_factory.mktemp("story"))
        try:
            return story(world, *given)
        finally:
            world.close()

    yield partial(pool.submit, run)
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A corner with one partition."""
    return make_world()
