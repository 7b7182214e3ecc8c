"""What the API's looks at neighbours say of one that takes its time."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from watcher.bootstrap import api
from watcher.model.errors import TemporaryError


class FrozenPool:
    """A PostgreSQL that accepts questions and answers none."""

    async def fetch(self, _query: str) -> list[dict[str, object]]:
        await asyncio.Event().wait()
        return []


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The loop of a running API."""
    one = asyncio.new_event_loop()
    thread = threading.Thread(target=one.run_forever)
    thread.start()
    yield one
    for task in asyncio.all_tasks(one):
        one.call_soon_threadsafe(task.cancel)
    one.call_soon_threadsafe(one.stop)
    thread.join()
    one.close()


def test_a_look_that_is_not_answered_says_for_how_long(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness passes these words on; the name of Python's error would be no reason."""
    monkeypatch.setattr(api, "READY_SECONDS", 0.05)

    with pytest.raises(TemporaryError, match=r"^no answer within 0\.05 s$"):
        api._read_postgres(loop, FrozenPool(), "SELECT 1")  # type: ignore[arg-type]
