"""A Redis of these tests' own."""

from collections.abc import Iterator

import pytest
import redis

from stack import Stack
from tests.stack.watching import provided


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started once; each test empties it."""
    with provided():
        stack = Stack(tmp_path_factory.mktemp("redis"), parts=("redis",))
        stack.start()
    yield stack
    stack.close()


@pytest.fixture
def client(server: Stack) -> Iterator[redis.Redis]:
    """An empty Redis."""
    with redis.Redis.from_url(server.redis.url, decode_responses=True) as opened:
        opened.flushall()
        yield opened
