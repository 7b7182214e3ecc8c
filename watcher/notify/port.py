"""What the watcher asks of whatever tells users: a service, or a table."""

from collections.abc import Collection, Sequence
from typing import Protocol

from watcher.model.errors import WatcherError
from watcher.model.notice import Notice


class NoticeRefusedError(WatcherError):
    """Raised when nobody was told, and the same notices will not be taken another time either."""


class Notifier(Protocol):
    """Tells users.

    Each call may raise ``RequestNotSentError``, after which the same may be sent again blindly, or
    ``OutcomeUnknownError``, after which whoever sends again asks first who was told.
    """

    def tell(self, notices: Sequence[Notice]) -> None:
        """Have users told, each key once; return once it is certain that they will be.

        Args:
            notices: at most ``watcher.model.notices.MAX_PAGE``, and at least one.

        Raises:
            NoticeRefusedError: they are not taken as they are; the message has the reason.
        """
        ...

    def told(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys that users were certainly told of; one that is missing may be on its way."""
        ...
