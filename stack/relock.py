"""Write the lock file of Java artifacts anew: ``python -m stack.relock``.

For a change of version: edit WANTED, run this, read the difference, run the tests. Needs the network.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jgo.maven import MavenContext

from stack.authorities import trusted
from stack.jars import LOCK, SILENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Group: why it is there, coordinates, and whether what they depend on belongs to it too.
WANTED: dict[str, tuple[str, list[str], bool]] = {
    "kafka": (
        "The broker, Connect and what they log with: one class path for both.",
        [
            "org.apache.kafka:kafka_2.13:4.3.1",
            "org.apache.kafka:connect-runtime:4.3.1",
            "org.apache.kafka:connect-json:4.3.1",
            "org.apache.kafka:connect-transforms:4.3.1",
            "org.slf4j:slf4j-simple:1.7.36",
        ],
        True,
    ),
    "converter": (
        "Apicurio's Avro converter, without the jars that a Connect worker has already. Only for the Avro profile.",
        ["io.apicurio:apicurio-registry-utils-converter:2.6.13.Final"],
        True,
    ),
    "debezium": (
        "Unpacked; one folder of Connect's plugin.path.",
        ["io.debezium:debezium-connector-postgres:3.7.0.Final:plugin:tar.gz"],
        False,
    ),
    "registry": (
        "Unpacked. Only for the Avro profile.",
        ["io.apicurio:apicurio-registry-app:3.3.3:all:tar.gz"],
        False,
    ),
}
# A plugin's class loader takes these from the worker, whatever the plugin brings.
WORKER_HAS = {
    "org.apache.kafka:connect-api",
    "org.apache.kafka:connect-json",
    "org.apache.kafka:kafka-clients",
    "org.slf4j:slf4j-api",
    "com.github.luben:zstd-jni",
    "org.lz4:lz4-java",
    "org.xerial.snappy:snappy-java",
}
HEADER = """\
# Every Java artifact of the local stack: Maven coordinate = SHA-256 of the file.
# Written by `python -m stack.relock`; a file whose digest differs is refused.
"""


def main() -> None:
    """Resolve and download everything into a scratch folder, and write what was found."""
    with trusted(), tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch), local_repos=[], timeout=SILENCE_SECONDS)
        text = HEADER
        for group, (why, coordinates, transitive) in WANTED.items():
            print(f"stack: resolving {group}", file=sys.stderr, flush=True)
            text += f"\n# {why}\n[{group}]\n"
            for coordinate, path in _resolve(context, coordinates, transitive=transitive):
                with path.open("rb") as file:
                    text += f'"{coordinate}" = "{hashlib.file_digest(file, "sha256").hexdigest()}"\n'
    LOCK.write_text(text)


def _resolve(context: MavenContext, coordinates: list[str], *, transitive: bool) -> Iterator[tuple[str, Path]]:
    if not transitive:
        for coordinate in coordinates:
            organisation, name, version, *rest = coordinate.split(":")
            yield coordinate, context.project(organisation, name).at_version(version).artifact(*rest).resolve()
        return
    direct, inherited = context.resolver.resolve([context.create_dependency(one) for one in coordinates])
    plugin = not coordinates[0].startswith("org.apache.kafka:")
    for dependency in (*direct, *inherited):
        project = f"{dependency.groupId}:{dependency.artifactId}"
        if dependency.scope not in (None, "compile", "runtime") or (plugin and project in WORKER_HAS):
            continue
        yield f"{project}:{dependency.version}", dependency.artifact.resolve()


if __name__ == "__main__":
    main()
