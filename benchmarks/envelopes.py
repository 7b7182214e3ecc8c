"""Envelopes for the benchmarks: the shape that the connector sends, with other numbers in it.

The mix is that of a busy contest: four in five are new entries, one in ten is a score written back (which moves no
count), one in ten is an entry withdrawn.
"""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import httpx

CRUCIBLES = 200
USERS = 5_000
FIRST_LSN = 24_000_000
FIRST_COMMIT_US = 1_767_225_600_000_000
ROWS_OF_TEN = 18
"""Metric rows that ten consecutive changes make."""
LIVING_OF_TEN = 7
"""Entries that are left of ten consecutive changes."""
CAPTURED_AVRO = Path(__file__).parent.parent / "debezium" / "envelopes" / "CrucibleEntry.create_avro.json"

Change = dict[str, Any]


def changes(count: int, first: int = 0) -> Iterator[Change]:
    """``count`` changes of CrucibleEntry in commit order, from the ``first``-th on; ``count`` is a multiple of ten."""
    for number in range(first, first + count):
        kind = number % 10
        entry = number + 1 if kind < 8 else number - 3
        before = None if kind < 8 else _row(entry, 1500)
        after = None if kind == 9 else _row(entry, 1532 if kind == 8 else 1500)
        at = FIRST_COMMIT_US + number * 2_000
        lsn = FIRST_LSN + number * 264
        yield _envelope(
            "CrucibleEntry", "c" if kind < 8 else "ud"[kind - 8], before, after, at=at, lsn=lsn, tx=number + 700
        )


def crucibles() -> Iterator[Change]:
    """Yield the creation of every crucible that the entries are in, each a metric row; before all ``changes``."""
    for number in range(CRUCIBLES):
        at = FIRST_COMMIT_US - (CRUCIBLES - number) * 2_000
        lsn = FIRST_LSN - (CRUCIBLES - number) * 264
        row = {
            "id": number + 1,
            "userId": number % USERS + 1,
            "name": f"Crucible {number + 1}",
            "description": None,
            "imageId": None,
            "nsfwLevel": 1,
            "entryFee": 100,
            "entryLimit": 1,
            "maxTotalEntries": None,
            "prizePositions": '{"1":50,"2":30,"3":20}',
            "allowedResources": None,
            "judgeRequirements": None,
            "duration": 480,
            "startAt": at // 1000,
            "endAt": None,
            "status": "Active",
            "buzzTransactionId": None,
            "createdAt": at // 1000,
            "updatedAt": at // 1000,
        }
        yield _envelope("Crucible", "c", None, row, at=at, lsn=lsn, tx=number + 400)


def _envelope(
    table: str, op: str, before: Change | None, after: Change | None, *, at: int, lsn: int, tx: int
) -> Change:
    return {
        "before": before,
        "after": after,
        "source": {
            "version": "3.7.0.Final",
            "connector": "postgresql",
            "name": "crucible",
            "ts_ms": at // 1000,
            "snapshot": "false",
            "db": "crucible",
            "sequence": f'["{lsn - 264}","{lsn}"]',
            "ts_us": at,
            "ts_ns": at * 1000,
            "schema": "public",
            "table": table,
            "txId": tx,
            "lsn": lsn,
            "xmin": None,
        },
        "transaction": None,
        "op": op,
        "ts_ms": at // 1000 + 9,
        "ts_us": at + 9_000,
        "ts_ns": (at + 9_000) * 1000,
    }


def _row(entry: int, score: int) -> dict[str, Any]:
    return {
        "id": entry,
        "crucibleId": entry % CRUCIBLES + 1,
        "userId": entry * 7 % USERS + 1,
        "imageId": entry + 9,
        "score": score,
        "voteCount": score - 1500,
        "position": None,
        "buzzTransactionId": None,
        "createdAt": FIRST_COMMIT_US // 1000 + entry,
    }


def as_json(change: Change) -> bytes:
    """Return the change as Kafka Connect's JSON converter writes it, schemas off."""
    return json.dumps(change, separators=(",", ":")).encode()


class AsAvro:
    """The change as the Avro converter writes it: a zero byte, the schema's id, the record.

    Args:
        registry: base address of the schema registry, where the captured schema is registered.
    """

    def __init__(self, registry: str) -> None:
        captured = json.loads(CAPTURED_AVRO.read_text())
        number = int.from_bytes(base64.b64decode(captured["value"]["base64"])[1:5], "big")
        text = json.dumps(captured["schemas"][str(number)])
        answer = httpx.post(f"{registry}/subjects/bench-value/versions", json={"schema": text}, timeout=30)
        answer.raise_for_status()
        self._head = b"\x00" + int(answer.json()["id"]).to_bytes(4, "big")
        self._schema = fastavro.parse_schema(json.loads(text))

    def __call__(self, change: Change) -> bytes:
        """Return the change as a record's value: magic byte, schema id, and the change in Avro."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, change)
        return self._head + out.getvalue()
