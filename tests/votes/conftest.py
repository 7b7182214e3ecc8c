"""What the tests of votes share: Redis that writes before it answers, ClickHouse, PostgreSQL, and a corner of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.topology import Options, Stack
from tests import site_database
from tests.clickhouse_template import migrate_template
from tests.stack.watching import provided
from tests.votes.world import VoteWorld


@pytest.fixture(scope="package")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The parts, once for these tests, with ClickHouse's schema in a template and the site's tables in PostgreSQL."""
    with provided():
        stack = Stack(
            tmp_path_factory.mktemp("votes"),
            ("redis", "clickhouse", "postgres"),
            Options(fsync=False, redis_appendfsync="always"),
        )
        stack.start()
    try:
        migrate_template(stack)
        site_database.prepare(str(stack.endpoints.postgres_dsn))
        yield stack
    finally:
        stack.close()


@pytest.fixture
def world(parts: Stack, tmp_path: Path) -> Iterator[VoteWorld]:
    """An empty Redis, a database and some crucibles of the test's own; what it did to the parts is mended after it."""
    one = VoteWorld(parts, tmp_path)
    yield one
    one.end_processes()
    for part in parts.parts:
        part.resume()
        part.start()
        part.await_ready()
    one.close()
