"""Notices as rows of the outbox, a page a row."""

from collections.abc import Iterable, Iterator
from typing import Final

from watcher.model.notices import NoticePage
from watcher.postgres.own.outbox import NewRow

CHANNEL: Final = "notify"
NOTICES: Final = "notices"
"""Kind of the rows."""


def notice_rows(pages: Iterable[NoticePage]) -> Iterator[NewRow]:
    """Yield a row for each page; no page waits for another."""
    for page in pages:
        yield NewRow(CHANNEL, NOTICES, page.key, page.key, page)
