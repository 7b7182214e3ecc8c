"""A table of notices, for a site without a notification service, for the demo, and for tests."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from typing import Final

import msgspec

from watcher.model.notice import Notice
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.notify"), "table.sql")


class NoticeTable:
    """The table, from which the site shows them.

    Args:
        open_session: connects to PostgreSQL, for the length of a block.
    """

    def __init__(self, open_session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._open = open_session

    def tell(self, notices: Sequence[Notice]) -> None:
        """Have users told, each key once; see :class:`watcher.notify.port.Notifier`."""
        rows = [
            {
                "key": one.key, "user_id": one.user_id, "type": one.type, "category": one.category,
                "message": one.message, "url": one.url, "details": one.details,
            }
            for one in notices
        ]  # fmt: skip
        with self._open() as session:
            session.run(_STATEMENTS["put_notices"], msgspec.json.encode(rows).decode())

    def told(self, keys: Collection[str]) -> set[str]:
        """Return those that users were told of; see :class:`watcher.notify.port.Notifier`."""
        with self._open() as session:
            return {key for (key,) in session.read(_STATEMENTS["told_keys"], list(keys))}
