"""Kafka Connect: one distributed worker with Debezium's Postgres plugin."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, ClassVar

from stack import jars, java, probe, properties, warm_start
from stack.leashed import Program
from stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAP_MB = 256
# Apicurio's converter names itself in no file for the service loader. Without one the worker has to look into every
# class of every plugin, at each start.
CONVERTERS = "META-INF/services/org.apache.kafka.connect.storage.Converter"
AVRO_CONVERTER = "io.apicurio.registry.utils.converter.AvroConverter"


class Connect(Part):
    """A worker that is configured as production's should be: exactly-once sources on, unless a test turns that off.

    ``secrets`` are what connector files refer to: as ``${file:<secrets_file>:<name>}`` and as ``${env:<name>}``.
    """

    name: ClassVar[str] = "connect"

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        bootstrap_servers: str,
        exactly_once: bool = True,
        avro: bool = False,
        secrets: Mapping[str, str] | None = None,
        record_to: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self.port = port
        self.exactly_once = exactly_once
        """Read at each start: change it, restart, and the worker runs the other way."""
        self.secrets_file = self.folder / "secrets" / "connect.properties"
        self._record_to = record_to
        self._bootstrap_servers = bootstrap_servers
        self._avro = avro
        self._secrets = dict(secrets or {})
        self._properties = self.folder / "worker.properties"

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the port of the REST interface, as ``connect``."""
        return {"connect": self.port}

    @property
    def url(self) -> str:
        """Return the base address of the REST interface."""
        return f"http://127.0.0.1:{self.port}"

    def fetch(self) -> None:
        """Get the worker's jars and the plugins'."""
        java.runtime()
        jars.fetch("kafka")
        jars.unpack("debezium")
        if self._avro:
            jars.fetch("converter")

    def prepare(self) -> None:
        """Write the configuration and the secrets, and lay the plugins out: one folder each, as isolation wants it."""
        plugins = self.folder / "plugins"
        _link(plugins / "debezium-postgres", sorted(jars.unpack("debezium").rglob("*.jar")))
        if self._avro:
            converter = plugins / "apicurio-converter"
            _link(converter, jars.fetch("converter"))
            with zipfile.ZipFile(converter / "services.jar", "w") as services:
                services.writestr(CONVERTERS, AVRO_CONVERTER)
        self.secrets_file.parent.mkdir(mode=0o700, exist_ok=True)
        self.secrets_file.touch(mode=0o600)
        properties.write(self.secrets_file, self._secrets)
        properties.write(self._properties, self._settings(plugins))

    def program(self) -> Program:
        """Return the distributed worker's Java program, with its settings in a file."""
        record = self._record_to
        return Program(
            java.command(
                class_path=jars.fetch("kafka"),
                main=("org.apache.kafka.connect.cli.ConnectDistributed", str(self._properties)),
                heap_mb=HEAP_MB,
                scratch=self.folder / "tmp",
                flags=warm_start.recording_flags(record) if record else warm_start.flags(self.name),
            ),
            log=self.log,
            environ=self.surroundings() | self._secrets,
            folder=self.folder,
        )

    def answers(self) -> bool:
        """Ask whether the worker has joined its group and read its topics, not merely opened its port."""
        return probe.http_status(self.port, "/health") == 200

    def _settings(self, plugins: Path) -> dict[str, str | int]:
        return {
            "bootstrap.servers": self._bootstrap_servers,
            "group.id": "connect",
            "listeners": self.url,
            "rest.advertised.host.name": "127.0.0.1",
            "rest.advertised.port": self.port,
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            # One node holds one replica; few partitions are made, read and compacted sooner.
            "config.storage.topic": "connect-configs",
            "config.storage.replication.factor": 1,
            "offset.storage.topic": "connect-offsets",
            "offset.storage.replication.factor": 1,
            "offset.storage.partitions": 2,
            "status.storage.topic": "connect-status",
            "status.storage.replication.factor": 1,
            "status.storage.partitions": 2,
            "offset.flush.interval.ms": 1000,
            "exactly.once.source.support": "enabled" if self.exactly_once else "disabled",
            "plugin.path": str(plugins),
            "plugin.discovery": "service_load",
            "config.providers": "file,env",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
            "config.providers.file.param.allowed.paths": str(self.secrets_file.parent),
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": "^CRUCIBLE_.*",
            # A worker that was killed comes back under a new name; the group must notice that the old one is gone.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 1500,
            "scheduled.rebalance.max.delay.ms": 0,
            # It reads its offsets to the end before it serves, and waits there for what the killed one left open.
            "producer.transaction.timeout.ms": 10000,
        }


def _link(folder: Path, jar_files: list[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for jar in jar_files:
        link = folder / jar.name
        if not os.path.lexists(link):
            link.symlink_to(jar)
