"""A node's storage is formatted by Kafka's tool once, and from then on without it, always as another cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack import kafka_storage
from stack.kafka import Kafka
from stack.ports import Ports
from tests.stack.watching import provided

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def identity(data: Path) -> dict[str, str]:
    """Who a node says it is."""
    lines = (data / "meta.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_storage_is_the_tool_s_with_names_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second node runs no tool, begins with the same features, and could not be taken for the first."""
    monkeypatch.setattr(kafka_storage, "cache_folder", lambda: tmp_path / "cache")
    runs: list[str] = []
    run_once = Kafka.run_once

    def counted(part: Kafka, command: list[str], timeout: float = 60.0) -> None:
        runs.append(part.folder.name)
        run_once(part, command, timeout)

    monkeypatch.setattr(Kafka, "run_once", counted)
    with Ports() as ports:
        nodes = [Kafka(tmp_path / name, port=ports.take(), controller_port=ports.take()) for name in ("one", "two")]
        for node in nodes:
            node.folder.mkdir()
            with provided():
                node.fetch()
            node.prepare()
            node.prepare()  # as at a restart: the data stays
    first, second = (node.folder / "data" for node in nodes)
    by_tool, by_us = identity(first), identity(second)

    assert runs == ["one"]
    assert (first / "bootstrap.checkpoint").read_bytes() == (second / "bootstrap.checkpoint").read_bytes()
    assert by_tool.keys() == by_us.keys()
    assert {key for key, value in by_tool.items() if by_us[key] != value} == {"cluster.id", "directory.id"}
    assert all(len(by_us[key]) == len(by_tool[key]) for key in by_tool)
