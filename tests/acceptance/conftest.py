"""What the proofs share: the parts, and a corner of them for each test."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stack.topology import Options, Stack
from tests.acceptance.history import History
from tests.acceptance.world import World
from tests.clickhouse_template import migrate_template
from tests.site_database import SCHEMA
from tests.stack.watching import provided

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
            site.execute(SCHEMA.read_bytes())  # without entries: the stories' site is their history
            # What PostgreSQL does not have leaves Redis; one that is finished is not compared.
            site.execute("""INSERT INTO "User" (username) VALUES ('nobody')""")
            site.execute(
                """INSERT INTO "Crucible" (id, "userId", name, status, "updatedAt")
                   SELECT n, 1, 'of a story', 'Completed', now() FROM generate_series(1, %s) n""",
                [History().crucibles],
            )
        migrate_template(stack)
        yield stack
    finally:
        stack.close()


@pytest.fixture
def make_world(parts: Stack, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Corners of the parts; whatever a test did to the parts is mended after it."""
    made: list[World] = []

    def make(partitions: int = 1, **settings: str) -> World:
        made.append(World(parts, tmp_path, partitions, **settings))
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
        world = World(parts, tmp_path_factory.mktemp("story"))
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
