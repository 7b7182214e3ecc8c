"""A server that takes connections and says nothing: whoever gives up keeps none of them."""

import asyncio
import gc
import socket
from collections.abc import Iterator

import pytest

from watcher.model.errors import TemporaryError
from watcher.postgres.pool import SitePool
from watcher.postgres.session import open_session


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """It listens, and nothing in this process looks for circles meanwhile, as little as in a daemon."""
    gc.collect()
    gc.disable()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening
    gc.enable()


def dsn(silent: socket.socket) -> str:
    return f"postgresql://a:b@127.0.0.1:{silent.getsockname()[1]}/c?sslmode=disable"


def assert_hung_up(silent: socket.socket) -> None:
    """The first client that has connected is gone."""
    connection, _ = silent.accept()
    with connection:
        connection.settimeout(10)
        assert connection.recv(1_000)  # its greeting
        assert connection.recv(1_000) == b""


def test_an_attempt_that_was_given_up_keeps_no_connection(silent: socket.socket) -> None:
    """Of the server's, which are few, and the site's too."""
    with pytest.raises(TemporaryError, match="timeout expired"), open_session(dsn(silent), "s", 1.0):
        pass

    assert_hung_up(silent)


def test_nor_does_one_of_the_pool(silent: socket.socket) -> None:
    """The API tries again and again by itself."""

    async def give_up() -> None:
        async with SitePool(dsn(silent), 1, 1.0) as pool:
            with pytest.raises(TemporaryError):
                await pool.fetch("SELECT 1")
            await asyncio.to_thread(assert_hung_up, silent)

    asyncio.run(give_up())
