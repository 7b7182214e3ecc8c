"""The schema registry's side of the doctor: whether it answers."""

from collections.abc import Iterator

from watcher.admin.doctor.findings import Finding, ok
from watcher.decode.registry import RegistryClient
from watcher.model.words import counted


def registry(client: RegistryClient) -> Iterator[Finding]:
    """Find whether the registry lists its subjects."""
    yield ok("registry", counted(client.subjects(), "subject"))
