"""A dead letter's own headers: Kafka Connect's set, which most tools read, and what only we know.

They come after the record's own headers, so a letter that was produced again and refused again carries both sets; the
last one tells the latest refusal, and the number of sets tells how often it happened.
"""

from collections.abc import Iterable, Sequence

import msgspec

from watcher.model.dead_letter import DeadLetter
from watcher.model.errors import Reason

LetterHeader = tuple[str, bytes | None]

CONNECT = "__connect.errors."
OURS = "crucible.dlq."
REASON = f"{OURS}reason"
TABLE = f"{OURS}table"
REFUSALS = f"{OURS}refusals"
TRUNCATED = f"{OURS}truncated"
"""Bytes of the whole value, where only its beginning is kept; the record itself is at the position named beside it."""
TIMESTAMP = f"{OURS}timestamp"
"""Milliseconds since 1970 of the record, where the broker would not take them as the letter's own."""

MAX_MESSAGE_CHARACTERS = 2_000
"""Characters of the message. Smaller: the faulty value is cut off. Larger: a bad deploy fills the topic with text."""


class RefusedRecord(msgspec.Struct, frozen=True):
    """What the headers of a dead letter say: where the refused record lies, and why it was refused."""

    topic: str
    partition: int
    offset: int
    reason: str
    message: str
    table: str
    group: str
    refusals: int
    truncated_bytes: int | None = None


def refusal_headers(letter: DeadLetter, group: str) -> list[LetterHeader]:
    """Return the headers to add to those that the record came with.

    Args:
        letter: the refused record.
        group: consumer group that refused it; stands where Connect writes the connector's name.
    """
    where = letter.position
    stage = "TASK_PUT" if letter.error.reason is Reason.HANDLER else "VALUE_CONVERTER"
    refused_before = sum(name == REASON for name, _ in letter.headers)
    said = {
        f"{CONNECT}topic": where.topic,
        f"{CONNECT}partition": str(where.partition),
        f"{CONNECT}offset": str(where.offset),
        f"{CONNECT}connector.name": group,
        f"{CONNECT}task.id": str(where.partition),
        f"{CONNECT}stage": stage,
        f"{CONNECT}class.name": letter.table,
        f"{CONNECT}exception.class.name": type(letter.error).__name__,
        f"{CONNECT}exception.message": letter.error.detail[:MAX_MESSAGE_CHARACTERS],
        REASON: letter.error.reason.value,
        TABLE: letter.table,
        REFUSALS: str(refused_before + 1),
    }
    return [(name, text.encode("utf-8", "replace")) for name, text in said.items()]


def read_refused_record(headers: Sequence[LetterHeader]) -> RefusedRecord | None:
    """Return the latest refusal that the headers tell of, or None for a record that nobody refused.

    Connect's own dead letters are read as well; they have no reason of ours, so their exception's class stands there.
    """
    said = {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
    topic = said.get(f"{CONNECT}topic")
    if topic is None:
        return None
    truncated = said.get(TRUNCATED)
    return RefusedRecord(
        topic=topic,
        partition=_number(said.get(f"{CONNECT}partition")),
        offset=_number(said.get(f"{CONNECT}offset")),
        reason=said.get(REASON) or said.get(f"{CONNECT}exception.class.name", ""),
        message=said.get(f"{CONNECT}exception.message", ""),
        table=said.get(TABLE, ""),
        group=said.get(f"{CONNECT}connector.name", ""),
        refusals=max(1, _number(said.get(REFUSALS, "1"))),
        truncated_bytes=None if truncated is None else _number(truncated),
    )


def own_headers(headers: Iterable[LetterHeader]) -> list[LetterHeader]:
    """Return the headers that the record had before anybody refused it: what to produce it again with."""
    return [header for header in headers if not header[0].startswith((CONNECT, OURS))]


def _number(text: str | None) -> int:
    """Return a number from a header; -1 for whatever else a foreign tool wrote: one letter must not fail a list."""
    try:
        return int(text or "")
    except ValueError:
        return -1
