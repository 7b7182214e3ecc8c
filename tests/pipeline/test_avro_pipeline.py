"""The Avro profile all the way: the real converter and registry, the shipped connector file, the watcher, the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition

import debezium
from stack.topology import EVERYTHING
from tests.awaiting import await_that
from tests.pipeline.running import PATIENCE_SECONDS, await_agreement, await_settled, count, live, logged, running

if TYPE_CHECKING:
    from pathlib import Path

SCENES = 200
MAGIC = b"\x00"


@pytest.mark.soak("starts everything; each run compares Avro with JSON change by change, and has a watcher read Avro")
def test_changes_in_avro_count_like_any_other(tmp_path: Path):
    """The site lives a little in Avro; raw rows, views and ratings agree with its log, and nothing was refused."""
    with running(tmp_path, parts=(*EVERYTHING, "registry"), connector=debezium.CONNECTOR_AVRO) as pipeline:
        live(pipeline, SCENES, seed=3)
        await_settled(pipeline.ops_url, logged(pipeline), pipeline.watcher)

        await_agreement(pipeline.endpoints)
        assert count(pipeline.ops_url, "crucible_dlq_events_total") == 0
        assert first_byte(str(pipeline.endpoints.bootstrap_servers)) == MAGIC


def first_byte(bootstrap_servers: str) -> bytes:
    """How the first record of an entry begins, whatever partition has it."""
    reader = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "of-a-test", "log_level": 0})
    found: list[bytes] = []

    def read() -> bool:
        found.extend(message.value() or b"" for message in reader.consume(1, 1.0) if message.error() is None)
        return bool(found)

    try:
        reader.assign([TopicPartition("postgres.CrucibleEntry", number, 0) for number in range(3)])
        await_that(read, "a record", PATIENCE_SECONDS)
    finally:
        reader.close()
    return found[0][:1]
