"""What is done to the site's tables in front of the connector, and which records are kept under which name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import debezium

Record = dict[str, Any]
Picks = Mapping[str, Callable[[Record], bool]]
"""File name without ending -> whether a record is the one. A take ends when each has found its first."""

LONG_CRUCIBLE = """INSERT INTO "Crucible" ("userId", name, description, "updatedAt")
    SELECT 1, 'Long', string_agg(md5(n::text), ''), now() FROM generate_series(1, 400) n"""
"""12,800 characters that do not compress below a page: PostgreSQL stores them out of line."""
CRUCIBLE = """INSERT INTO "Crucible" ("userId", name, "nsfwLevel", "entryFee", status, "startAt", "endAt", "updatedAt")
    VALUES (1, 'Landscapes', 1, 100, 'Active', now(), now() + interval '8 hours', now())"""
ENTRY = """INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") VALUES (1, 2, 1)"""


@dataclass(frozen=True, slots=True)
class Take:
    """One connector's life."""

    name: str
    picks: Picks
    before: tuple[str, ...] = ()
    """Statements before the connector starts, each its own transaction: its snapshot sees them."""
    after: tuple[str, ...] = ()
    """Statements once it streams."""
    overlay: tuple[str, ...] = ()
    file: Path = debezium.CONNECTOR
    copied: tuple[str, ...] = field(default=())
    """Lines for a COPY of entries, after the statements."""


def change(table: str, op: str, **row: Any) -> Callable[[Record], bool]:
    """Whether a record is a change of this table and operation, whose row has these values."""

    def matches(record: Record) -> bool:
        value = record["value"]
        if not isinstance(value, dict) or value.get("op") != op or value["source"]["table"] != table:
            return False
        found = value["after"] or value["before"] or {}
        return row.items() <= found.items()

    return matches


def keyed(table: str, **key: Any) -> Callable[[Record], bool]:
    """Whether a record is the tombstone of this key."""
    return lambda record: record["topic"] == f"postgres.{table}" and record["value"] is None and record["key"] == key


def both(*conditions: Callable[[Record], bool]) -> Callable[[Record], bool]:
    """Whether all conditions hold."""
    return lambda record: all(condition(record) for condition in conditions)


def sequence_starts_with_null(record: Record) -> bool:
    """Whether the connector knew of no commit before this change."""
    return str(record["value"]["source"]["sequence"]).startswith("[null,")


def snapshot_is(kind: str) -> Callable[[Record], bool]:
    """Whether a record comes from this part of a snapshot."""
    return lambda record: record["value"]["source"]["snapshot"] == kind


def long_of(image: str, column: str, what: Callable[[str], bool]) -> Callable[[Record], bool]:
    """Whether a column of the before or after image is as wanted."""
    return lambda record: what((record["value"][image] or {}).get(column) or "")


TAKES = (
    Take(
        "first transaction",
        overlay=("heartbeat.interval.ms=0",),
        after=(f"BEGIN; {CRUCIBLE}; {ENTRY}; COMMIT",),
        picks={
            "Crucible.first_transaction": both(change("Crucible", "c"), sequence_starts_with_null),
            "CrucibleEntry.first_transaction": both(change("CrucibleEntry", "c"), sequence_starts_with_null),
        },
    ),
    Take(
        "every operation",
        before=(CRUCIBLE, ENTRY, ENTRY, ENTRY.replace("(1, 2, 1)", "(1, 3, 2)")),
        after=(
            CRUCIBLE.replace("Landscapes", "Portraits"),
            """UPDATE "Crucible" SET status = 'Completed', "updatedAt" = now() WHERE id = 1""",
            """DELETE FROM "Crucible" WHERE id = 2""",
            LONG_CRUCIBLE,
            """UPDATE "Crucible" SET name = 'Longer', "updatedAt" = now() WHERE name = 'Long'""",
            """ALTER TABLE "Crucible" REPLICA IDENTITY DEFAULT""",
            """UPDATE "Crucible" SET name = 'Longest', "updatedAt" = now() WHERE name = 'Longer'""",
            """ALTER TABLE "Crucible" REPLICA IDENTITY FULL""",
            ENTRY.replace("(1, 2, 1)", "(1, 2, 3)"),
            """UPDATE "CrucibleEntry" SET score = 1516, "voteCount" = 1 WHERE id = 1""",
            """UPDATE "CrucibleEntry" SET id = 900 WHERE id = 2""",
            """DELETE FROM "CrucibleEntry" WHERE id = 3""",
            "SELECT pg_logical_emit_message(true, 'site', 'inside a transaction')",
            "SELECT pg_logical_emit_message(false, 'site', 'on its own')",
            """INSERT INTO crucible_debezium.signal VALUES ('again', 'execute-snapshot',
               '{"data-collections": ["public.CrucibleEntry"], "type": "incremental"}')""",
        ),
        copied=("1\t1\t5", "1\t2\t6"),
        picks={
            "Crucible.snapshot": change("Crucible", "r", id=1),
            "CrucibleEntry.snapshot": both(change("CrucibleEntry", "r", id=2), snapshot_is("true")),
            "CrucibleEntry.snapshot_last": both(change("CrucibleEntry", "r", id=3), snapshot_is("last")),
            "Crucible.create": change("Crucible", "c", name="Portraits"),
            "Crucible.update": change("Crucible", "u", status="Completed"),
            "Crucible.delete": change("Crucible", "d", id=2),
            "Crucible.tombstone": keyed("Crucible", id=2),
            "Crucible.toast": both(
                change("Crucible", "u", name="Longer"), long_of("after", "description", lambda text: len(text) > 12_000)
            ),
            "Crucible.toast_without_full_identity": both(
                change("Crucible", "u", name="Longest"),
                long_of("after", "description", lambda text: text == "__debezium_unavailable_value"),
            ),
            "CrucibleEntry.create": change("CrucibleEntry", "c", imageId=3),
            "CrucibleEntry.update": change("CrucibleEntry", "u", id=1),
            "CrucibleEntry.key_change_delete": change("CrucibleEntry", "d", id=2),
            "CrucibleEntry.key_change_tombstone": keyed("CrucibleEntry", id=2),
            "CrucibleEntry.key_change_create": change("CrucibleEntry", "c", id=900),
            "CrucibleEntry.delete": change("CrucibleEntry", "d", id=3),
            "CrucibleEntry.tombstone": keyed("CrucibleEntry", id=3),
            "CrucibleEntry.copy_first": change("CrucibleEntry", "c", imageId=5),
            "CrucibleEntry.copy_second": change("CrucibleEntry", "c", imageId=6),
            "CrucibleEntry.snapshot_incremental": both(
                change("CrucibleEntry", "r", id=900), snapshot_is("incremental")
            ),
            "message.transactional": lambda record: (
                record["topic"] == "crucible.message" and record["value"]["source"]["txId"] is not None
            ),
            "message.plain": lambda record: (
                record["topic"] == "crucible.message" and record["value"]["source"]["txId"] is None
            ),
            "heartbeat.beat": lambda record: record["topic"] == "__debezium-heartbeat.crucible",
        },
    ),
    Take(
        "own tables",
        before=(CRUCIBLE, ENTRY, """INSERT INTO "Thread" ("crucibleId") VALUES (1)"""),
        after=(
            """INSERT INTO crucible_watcher.entry_verdict
               (entry_id, crucible_id, user_id, image_id, verdict, reasons, entered_at)
               VALUES (1, 1, 2, 1, 'waiting', '{fee_pending}', '2026-01-02 03:04:05.678')""",
            """UPDATE crucible_watcher.entry_verdict SET verdict = 'admitted', reasons = '{}', fee = 100""",
            """DELETE FROM crucible_watcher.entry_verdict""",
            """INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt")
               SELECT 'Nice', 3, id, now() FROM "Thread" WHERE "crucibleId" = 1""",
            """DELETE FROM "CommentV2" """,
        ),
        picks={
            "entry_verdict.create": change("entry_verdict", "c", entry_id=1),
            "entry_verdict.update": change("entry_verdict", "u", entry_id=1),
            "entry_verdict.delete": change("entry_verdict", "d", entry_id=1),
            "crucible_comment.create": change("crucible_comment", "c", user_id=3),
            "crucible_comment.delete": change("crucible_comment", "d", user_id=3),
        },
    ),
    Take(
        "truncate",
        before=(CRUCIBLE,),
        after=(ENTRY, """TRUNCATE "CrucibleEntry" """, """TRUNCATE "Crucible" CASCADE"""),
        overlay=("provide.transaction.metadata=true",),
        picks={
            "CrucibleEntry.truncate": change("CrucibleEntry", "t"),
            "Crucible.truncate": change("Crucible", "t"),
            "transaction.begin": lambda record: (
                record["topic"] == "crucible.transaction" and record["value"]["status"] == "BEGIN"
            ),
            "transaction.end": lambda record: (
                record["topic"] == "crucible.transaction" and record["value"]["status"] == "END"
            ),
        },
    ),
    Take(
        "with schemas",
        overlay=("key.converter.schemas.enable=true", "value.converter.schemas.enable=true"),
        before=(CRUCIBLE,),
        after=(ENTRY,),
        picks={
            "CrucibleEntry.create_with_schema": lambda record: (
                isinstance(record["value"], dict) and record["value"].get("payload", {}).get("op") == "c"
            )
        },
    ),
    Take(
        "Avro",
        file=debezium.CONNECTOR_AVRO,
        before=(CRUCIBLE,),
        after=(ENTRY, """DELETE FROM "CrucibleEntry" WHERE id = 1"""),
        picks={
            "CrucibleEntry.create_avro": lambda record: record["topic"] == "postgres.CrucibleEntry",
            "Crucible.snapshot_avro": lambda record: record["topic"] == "postgres.Crucible",
        },
    ),
)
