"""Ports stay ours while a part is down."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from stack.ports import Ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the lock files to the test."""
    monkeypatch.setenv("CRUCIBLE_CACHE", str(tmp_path))


def test_a_taken_port_is_not_given_again() -> None:
    """A second stack that wants the same port gets another, though nothing listens there."""
    with Ports() as one, Ports() as other:
        port = one.take()

        assert other.take(port) != port


def test_a_port_comes_back() -> None:
    """After the first stack is closed its port can be had."""
    with Ports() as one:
        port = one.take()

    with Ports() as other:
        assert other.take(port) == port


def test_a_port_that_is_in_use_is_passed_over() -> None:
    """What a stranger listens on is not given."""
    with socket.socket() as stranger, Ports() as ports:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]

        assert ports.take(port) != port


def test_no_lock_file_is_left(tmp_path: Path) -> None:
    """The lock files go with the stack."""
    with Ports() as ports:
        ports.take()
        assert len(list((tmp_path / "ports").iterdir())) == 1

    assert list((tmp_path / "ports").iterdir()) == []
