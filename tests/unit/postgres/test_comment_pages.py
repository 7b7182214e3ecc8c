"""Pages of comments are read beside the loop, and not all of them at once."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from watcher.postgres.site.comments import page_from

ROW = {"id": 1, "reply_to": None, "author": "ann", "content": "<p>word</p>", "reactions": 0, "created": 0}
PAGES = 6
"""As many as there are threads to read them, at least."""


class Readers:
    """Counts who reads a comment at the same time."""

    def __init__(self) -> None:
        self._lock, self._now, self.most = threading.Lock(), 0, 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        yield
        with self._lock:
            self._now -= 1


def test_one_comment_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all pages: the loop, which counts votes, would have its turn after each of them, five milliseconds a page."""
    readers = Readers()

    def noted(markup: str) -> str:
        with readers.reading():
            time.sleep(0.002)  # others get in here, if they may
        return markup

    monkeypatch.setattr("watcher.postgres.site.comments.plain_text", noted)

    async def pages() -> list[int]:
        found = await asyncio.gather(*(page_from([ROW] * 5, 100) for _ in range(PAGES)))
        return [len(one.comments) for one in found]

    assert asyncio.run(pages()) == [5] * PAGES
    assert readers.most == 1
