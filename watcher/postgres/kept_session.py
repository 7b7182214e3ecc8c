"""A connection that is kept from question to question, and that is made anew once something has failed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from watcher.postgres.session import Session
from watcher.runtime import clock

MAX_AGE_SECONDS: Final = 60.0
"""Seconds after which a connection is made anew. Longer: where the address leads to another server by now, the old one
is asked for so long, and a role or password that is refused is not noticed; shorter: more connections are made, each
of which costs as much as a dozen questions."""


class KeptSession:
    """Opens a connection when it is first needed, and keeps it for a while. Several threads take turns.

    Args:
        open_session: connects to PostgreSQL.
        now: seconds that only go forward.
    """

    def __init__(
        self, open_session: Callable[[], AbstractContextManager[Session]], now: Callable[[], float] = clock.now
    ) -> None:
        self._open, self._now = open_session, now
        self._turn = threading.Lock()
        self._session: Session | None = None
        self._opened_at = 0.0
        self._closing = ExitStack()

    @contextmanager
    def kept(self) -> Iterator[Session]:
        """Give the connection for a block; it is dropped if the block fails."""
        with self._turn:
            try:
                yield self._usable()
            except Exception:
                self._drop()
                raise

    def ping(self) -> None:
        """See that PostgreSQL answers.

        Raises:
            TemporaryError: it is away, or refuses.
        """
        with self.kept() as session:
            session.ping()

    def drop(self) -> None:
        """Close the connection, if there is one and nobody asks on it."""
        with self._turn:
            self._drop()

    def _usable(self) -> Session:
        """Return the connection, another one if it is old, or if the server has ended it since it was last used."""
        session = self._session
        if session is not None and (self._now() - self._opened_at > MAX_AGE_SECONDS or not session.is_open):
            self._drop()
            session = None
        if session is None:
            session = self._session = self._closing.enter_context(self._open())
            self._opened_at = self._now()
        return session

    def _drop(self) -> None:
        self._session = None
        self._closing.close()
