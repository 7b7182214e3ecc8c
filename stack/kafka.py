"""Kafka: one KRaft node, broker and controller in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stack import jars, java, kafka_storage, probe, properties, warm_start
from stack.leashed import Program
from stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAP_MB = 256
NODE = 1


class Kafka(Part):
    """A broker as strict as production's (no topic by accident, size limits), with one node's worth of replicas."""

    name: ClassVar[str] = "kafka"

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        controller_port: int,
        auto_create_topics: bool = False,
        record_to: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self.port = port
        self._controller_port = controller_port
        self._record_to = record_to
        self._auto_create_topics = auto_create_topics
        self._properties = self.folder / "server.properties"

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the clients' listener and the controller's."""
        return {"kafka": self.port, "controller": self._controller_port}

    @property
    def bootstrap_servers(self) -> str:
        """Return what clients connect to."""
        return f"127.0.0.1:{self.port}"

    def fetch(self) -> None:
        """Bring the Java runtime and Kafka's jars into the cache."""
        java.runtime()
        jars.fetch("kafka")

    def prepare(self) -> None:
        """Write the configuration; format an empty folder."""
        properties.write(self._properties, self._settings())
        data = self.folder / "data"
        if kafka_storage.is_formatted(data) or kafka_storage.format_from_cache(data, NODE):
            return
        tool = "kafka.tools.StorageTool", "format", "-t", kafka_storage.new_id(), "-c", str(self._properties)
        self.run_once(self._java(tool))
        kafka_storage.remember(data)

    def program(self) -> Program:
        """Return the broker's Java program, with its settings in a file."""
        return Program(
            self._java(("kafka.Kafka", str(self._properties)), self._record_to),
            log=self.log,
            environ=self.surroundings(),
            folder=self.folder,
        )

    def answers(self) -> bool:
        """Tell whether the listener is open: a KRaft broker opens it when it is registered and unfenced."""
        return probe.listens(self.port)

    def _java(self, main: tuple[str, ...], record_to: Path | None = None) -> list[str]:
        return java.command(
            class_path=jars.fetch("kafka"),
            main=main,
            heap_mb=HEAP_MB,
            scratch=self.folder / "tmp",
            flags=warm_start.recording_flags(record_to) if record_to else warm_start.flags(self.name),
        )

    def _settings(self) -> dict[str, str | int]:
        here, controller = self.bootstrap_servers, f"127.0.0.1:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": NODE,
            "controller.quorum.voters": f"{NODE}@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{here},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{here}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            # As in production: a misspelt topic is an error, not a new topic.
            "auto.create.topics.enable": str(self._auto_create_topics).lower(),
            # One node holds one replica. Few partitions of the internal topics: each is files to make and to load.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # How often transactions are looked for that their producer left open beyond its timeout (default 10 s).
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
            # The default of 3 s is for many members that start together.
            "group.initial.rebalance.delay.ms": 0,
            # A broker that was killed may register again when its former session has run out (default 9 s).
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # The compactor's default buffer is 128 MB, half of our heap.
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        }
