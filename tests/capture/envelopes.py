"""Captured records, as the bytes that they were."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import debezium


@dataclass(frozen=True, slots=True)
class Envelope:
    """One captured record."""

    name: str
    """Such as ``CrucibleEntry.create``."""
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    schemas: Mapping[int, Any]
    """Avro schemas by id; empty for JSON."""


def load(name: str) -> Envelope:
    """A captured record by name."""
    record = json.loads((debezium.ENVELOPES / f"{name}.json").read_text(encoding="utf-8"))
    schemas = {int(number): schema for number, schema in record.get("schemas", {}).items()}
    key, value = (_bytes(record[side], avro=bool(schemas)) for side in ("key", "value"))
    return Envelope(name, record["topic"], key, value, record["headers"], schemas)


def every() -> Iterator[Envelope]:
    """All captured records."""
    for file in sorted(debezium.ENVELOPES.glob("*.json")):
        yield load(file.stem)


def _bytes(content: Any, *, avro: bool) -> bytes | None:
    if content is None:
        return None
    if avro:
        return base64.b64decode(content["base64"])
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
