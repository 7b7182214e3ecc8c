"""Clients made from settings."""

import socket
import time

import pytest

import config
from watcher.bootstrap.clients import connect_clickhouse
from watcher.model.errors import TemporaryError


def test_a_question_may_have_less_time_than_an_insert(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ClickHouse that takes the connection and says nothing is given up when nobody waits for it any more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("CRUCIBLE_CLICKHOUSE__PORT", str(silent.getsockname()[1]))
        monkeypatch.setenv("CRUCIBLE_POSTGRES__DSN", "postgresql://nobody@127.0.0.1/nothing")
        settings = config.load(clickhouse={"timeout": 20.0})
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            connect_clickhouse(settings, 1.0)

    assert time.monotonic() - began < 10
