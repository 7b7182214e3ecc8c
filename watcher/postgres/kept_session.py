"""A connection that a worker keeps from turn to turn, and that is made anew once something has failed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from watcher.postgres.session import Session


class KeptSession:
    """Opens a connection when it is first needed, and keeps it.

    Args:
        open_session: connects to PostgreSQL.
    """

    def __init__(self, open_session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._open = open_session
        self._session: Session | None = None
        self._closing = ExitStack()

    @contextmanager
    def kept(self) -> Iterator[Session]:
        """Give the connection for a block; it is dropped if the block fails."""
        try:
            if self._session is None:
                self._session = self._closing.enter_context(self._open())
            yield self._session
        except Exception:
            self.drop()
            raise

    def drop(self) -> None:
        """Close the connection, if there is one."""
        self._session = None
        self._closing.close()
