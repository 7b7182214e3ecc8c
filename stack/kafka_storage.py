"""The empty storage of a Kafka node, made without Kafka's tool.

The tool is a Java program that runs for a CPU-second to write two small files: which features a new cluster begins
with, the same for every node of a release, and who the cluster is. So it runs once for each release; later stacks take
the first file from the cache and write the second, with names of their own.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from typing import TYPE_CHECKING

from stack import jars, properties
from stack.cache import arriving, cache_folder, only_one

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = "bootstrap.checkpoint"
IDENTITY = "meta.properties"


def is_formatted(data: Path) -> bool:
    """Tell whether a node may start on this folder; the identity is what is written last."""
    return (data / IDENTITY).exists()


def format_from_cache(data: Path, node: int) -> bool:
    """Format a folder, as a cluster of its own; False when no node of this release was formatted yet."""
    if not _features().exists():
        return False
    data.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_features(), data / FEATURES)
    identity = {"version": 1, "cluster.id": new_id(), "node.id": node, "directory.id": new_id()}
    arrived = data / f"{IDENTITY}.tmp"
    properties.write(arrived, identity)
    arrived.rename(data / IDENTITY)
    return True


def remember(data: Path) -> None:
    """Keep what the tool wrote that the next node may have too."""
    target = _features()
    with only_one(target.parent, "what a Kafka node starts with"), arriving(target) as scratch:
        shutil.copyfile(data / FEATURES, scratch / target.name)


def new_id() -> str:
    """Return an id as Kafka spells them: 16 bytes, and no dash in front, where the tool would take it for an option."""
    made = secrets.token_urlsafe(16)
    while made.startswith("-"):
        made = secrets.token_urlsafe(16)
    return made


def _features() -> Path:
    """Return where the cached file is; the class path holds digests, so that another release is another file."""
    release = hashlib.sha256("\n".join(map(str, jars.fetch("kafka"))).encode()).hexdigest()[:16]
    return cache_folder() / "formatted" / f"kafka-{release}.checkpoint"
