"""Recorded starts of Java programs stay for as long as somebody uses them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from stack import warm_start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Path]:
    """Give four recordings in a cache of the test's own, all of them long unused."""
    monkeypatch.setenv("CRUCIBLE_CACHE", str(tmp_path))
    shelf = tmp_path / "warm"
    shelf.mkdir()
    found = {name: shelf / f"kafka-{name}.aot" for name in ("ours", "used", "unused", "empty")}
    for file in found.values():
        file.write_bytes(b"" if file is found["empty"] else b"recorded")
        long_ago = time.time() - warm_start.UNUSED_SECONDS - 60
        os.utime(file, (long_ago, long_ago))
    return found


def test_a_start_keeps_its_recording(recorded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a start has used is not removed, nor what was just recorded; what nobody has used for weeks is."""
    monkeypatch.setattr(warm_start, "file", lambda program: recorded[program])

    assert warm_start.flags("used")[0] == f"-XX:AOTCache={recorded['used']}"
    warm_start.prune([recorded["ours"]])

    assert [name for name, file in recorded.items() if file.exists()] == ["ours", "used"]


def test_an_empty_recording_is_none(recorded: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where nothing could be recorded starts its programs the slow way."""
    monkeypatch.setattr(warm_start, "file", lambda program: recorded[program])

    assert warm_start.flags("empty") == ()
