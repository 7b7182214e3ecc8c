"""Finds marks of Redis' rows that PostgreSQL's log has not reached, and says what replaces them."""

from collections.abc import Mapping
from typing import TypeVar

from watcher.postgres.own.horizon import log_end
from watcher.postgres.session import Session
from watcher.redis import keys

K = TypeVar("K")


class ReachedMarks:
    """Tells marks that a change may have left from those that none can have.

    A mark ahead of the log makes a row that changes no more: whatever the stream says of it looks older. So does one
    that is no number, and one of a history that has not begun. None at all lets changes through that are long past.

    Args:
        session: PostgreSQL.
        history: number of its current history.
    """

    def __init__(self, session: Session, history: int) -> None:
        self._session, self._history, self._reached = session, history, ""
        self.unheard = keys.mark(history, 0)
        """Of a row that the stream has not told of: any change behind the crucible's horizon is newer."""

    def kept(self, texts: Mapping[K, str]) -> dict[K, str]:
        """Return the mark that each row is to have: its own where that can be, else that of a row never heard of.

        Args:
            texts: what Redis shows, read before this is called; each begins with a mark, or is empty.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        marks = {key: text[: keys.MARK_CHARACTERS] for key, text in texts.items()}
        if max(marks.values(), default="") > self._reached:  # the stream goes on: what is shown may be of this moment
            self._reached = keys.mark(self._history, log_end(self._session))
        return {key: mark if self._is_reached(mark) else self.unheard for key, mark in marks.items()}

    def _is_reached(self, mark: str) -> bool:
        """Return whether a text is a mark, and not ahead of the log; strings of digits compare as their numbers."""
        whole = len(mark) == keys.MARK_CHARACTERS and mark.isascii() and mark.isdecimal()
        return whole and mark <= self._reached
