"""A connection that is kept: how long, and by whom."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from watcher.model.errors import TemporaryError
from watcher.postgres.kept_session import MAX_AGE_SECONDS, KeptSession


class Server:
    """Counts the connections that were made to it and that are open."""

    def __init__(self) -> None:
        self.made = self.opened = 0
        self.time = 0.0
        self.is_open = True

    @contextmanager
    def open(self) -> Iterator[Any]:
        self.made += 1
        self.opened += 1
        self.is_open = True
        try:
            yield self
        finally:
            self.opened -= 1

    def session(self) -> KeptSession:
        return KeptSession(self.open, lambda: self.time)


def test_one_connection_serves_many_questions_for_a_while() -> None:
    """Then it is made anew: the address may lead to another server by now."""
    server = Server()
    kept, made = server.session(), []
    for time in (0.0, MAX_AGE_SECONDS, MAX_AGE_SECONDS + 1, 2 * MAX_AGE_SECONDS, 3 * MAX_AGE_SECONDS):
        server.time = time
        with kept.kept():
            made.append(server.made)

    assert made == [1, 1, 2, 2, 3]
    assert server.opened == 1


def test_one_that_failed_is_given_up() -> None:
    """So is one that somebody drops; nobody asks on it again."""
    server = Server()
    kept = server.session()
    with pytest.raises(TemporaryError), kept.kept():
        raise TemporaryError("no answer")
    after_a_fault = server.opened
    with kept.kept():
        pass
    kept.drop()

    assert (after_a_fault, server.opened, server.made) == (0, 0, 2)


def test_one_that_was_ended_while_nobody_asked_is_not_asked_on() -> None:
    """Otherwise each of the server's starts would look like an outage that is over already."""
    server = Server()
    kept = server.session()
    with kept.kept():
        pass
    server.is_open = False
    with kept.kept() as session:
        assert session.is_open

    assert (server.made, server.opened) == (2, 1)


def test_threads_take_turns() -> None:
    """Who asks while another one's block lasts waits for its end."""
    server = Server()
    kept, inside = server.session(), threading.Event()

    def ask() -> None:
        with kept.kept():
            inside.set()

    other = threading.Thread(target=ask)
    with kept.kept():
        other.start()
        came_in = inside.wait(0.2)
    other.join(10)

    assert not came_in
    assert inside.is_set()
    assert server.made == 1
