"""Apicurio Registry: a schema registry that speaks Confluent's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stack import jars, java, probe
from stack.leashed import Program
from stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAP_MB = 256


class Registry(Part):
    """The registry with its own database in a file, so that schema ids outlive a kill."""

    name: ClassVar[str] = "registry"

    def __init__(self, folder: Path, *, port: int, management_port: int) -> None:
        super().__init__(folder)
        self.port = port
        self._management_port = management_port

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the API's and the management interface's."""
        return {"registry": self.port, "management": self._management_port}

    @property
    def url(self) -> str:
        """Root of the Confluent-compatible API."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    @property
    def core_url(self) -> str:
        """Root of Apicurio's own API, which its converter asks for."""
        return f"http://127.0.0.1:{self.port}/apis/registry/v2"

    def fetch(self) -> None:
        """Bring the Java runtime and the registry's archive into the cache."""
        java.runtime()
        jars.unpack("registry")

    def prepare(self) -> None:
        """Make the data folder."""
        (self.folder / "data").mkdir(exist_ok=True)

    def program(self) -> Program:
        """Return the registry's Java program, which keeps its schemas in a file of the data folder."""
        data = self.folder / "data"
        return Program(
            java.command(
                class_path=(),
                main=("-jar", str(jars.unpack("registry") / "quarkus-run.jar")),
                heap_mb=HEAP_MB,
                scratch=self.folder / "tmp",
                properties={
                    "quarkus.http.host": "127.0.0.1",
                    "quarkus.http.port": str(self.port),
                    "quarkus.log.level": "WARN",
                    # Its health and metrics: by default port 9000 of every address, so that a second one fails.
                    "quarkus.management.host": "127.0.0.1",
                    "quarkus.management.port": str(self._management_port),
                    "apicurio.storage.kind": "sql",
                    "apicurio.storage.sql.kind": "h2",
                    # By default what was answered is on disk half a second later: a kill would lose a schema's id.
                    "apicurio.datasource.url": f"jdbc:h2:file:{data / 'registry'};WRITE_DELAY=0",
                    "apicurio.datasource.jdbc.initial-size": "2",
                    "apicurio.datasource.jdbc.min-size": "2",
                    "apicurio.storage.snapshot.location": str(data),
                    "quarkus.http.access-log.enabled": "false",
                },
            ),
            log=self.log,
            environ=self.surroundings(),
            folder=self.folder,
        )

    def answers(self) -> bool:
        """Ask the API itself."""
        return probe.http_status(self.port, "/apis/ccompat/v7/subjects") == 200
