"""What ends beside the change stream ends at once, not one after the other."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from watcher.bootstrap import votes
from watcher.bootstrap.votes import Votes


class Busy:
    """A thread that takes as long as it is given; notes what it was asked, in what order."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked = name, asked
        self.never = threading.Event()

    def close(self, timeout: float) -> None:
        self.asked.append(f"{self.name} {'joined' if timeout else 'told'}")
        self.never.wait(timeout)


def test_both_threads_are_told_before_either_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the second one has what the first one left of the time."""
    monkeypatch.setattr(votes, "CLOSING", 0.2)
    asked: list[str] = []
    closing: Any = SimpleNamespace(
        _drainer=Busy("drain", asked),
        _verifier_thread=Busy("verifier", asked),
        verifier=SimpleNamespace(let_go=lambda: asked.append("verifier let go")),
        _tables=SimpleNamespace(close=lambda: asked.append("tables")),
        _history=SimpleNamespace(close=lambda: asked.append("history")),
        _comparison_pool=SimpleNamespace(close=lambda: asked.append("benches")),
        _client=SimpleNamespace(close=lambda: asked.append("client")),
    )
    Votes.close(closing)

    # The first one took all the time there was, so the second one is only told again.
    ended = ["drain told", "verifier told", "drain joined", "verifier told"]
    assert asked == [*ended, "verifier let go", "tables", "history", "benches", "client"]
