"""The headers of a dead letter are read back as they were written, and others' are understood."""

from watcher.model.change import Position
from watcher.model.dead_letter import DeadLetter
from watcher.model.dead_letter_headers import MAX_MESSAGE_CHARACTERS, own_headers, read_refused_record, refusal_headers
from watcher.model.errors import Reason, RecordError


def letter(reason: Reason = Reason.BAD_ROW, detail: str = "entryId: expected int", **other: object) -> DeadLetter:
    return DeadLetter(
        position=Position("postgres.CrucibleEntry", 2, 99),
        key=None,
        value=None,
        headers=other.get("headers", ()),  # type: ignore[arg-type]
        timestamp_ms=0,
        error=RecordError(reason, detail),
        table="CrucibleEntry",
    )


def test_what_is_written_is_read():
    """Place, reason, table and group survive the way through the topic."""
    refusal = read_refused_record(refusal_headers(letter(), "watchers"))

    assert refusal is not None
    assert (refusal.topic, refusal.partition, refusal.offset) == ("postgres.CrucibleEntry", 2, 99)
    assert (refusal.reason, refusal.table, refusal.group) == ("bad_row", "CrucibleEntry", "watchers")
    assert (refusal.message, refusal.refusals, refusal.truncated_bytes) == ("entryId: expected int", 1, None)


def test_connects_names_are_used():
    """Tools that read Kafka Connect's letters read ours; a handler's fault is the task's, others are the value's."""
    stages = [
        dict(refusal_headers(letter(reason), "g"))["__connect.errors.stage"]
        for reason in (Reason.NOT_JSON, Reason.HANDLER)
    ]

    assert stages == [b"VALUE_CONVERTER", b"TASK_PUT"]


def test_a_second_refusal_counts_and_the_latest_tells():
    """A letter that was produced again and refused again says so, and gives the reason of today."""
    once = refusal_headers(letter(Reason.NOT_JSON), "g")

    twice = [*once, *refusal_headers(letter(Reason.BAD_ROW, headers=tuple(once)), "g")]

    refusal = read_refused_record(twice)
    assert refusal is not None
    assert (refusal.refusals, refusal.reason) == (2, "bad_row")
    assert own_headers([("traceparent", b"x"), *twice]) == [("traceparent", b"x")]


def test_a_long_message_is_cut():
    """A record of ten megabytes in an error's text would not fit into the topic."""
    refusal = read_refused_record(refusal_headers(letter(detail="x" * 10_000), "g"))

    assert refusal is not None
    assert len(refusal.message) == MAX_MESSAGE_CHARACTERS


def test_connects_own_letters_are_read():
    """They have no reason of ours; the exception's class stands for it, and odd numbers do not stop a listing."""
    refusal = read_refused_record(
        [
            ("__connect.errors.topic", b"t"),
            ("__connect.errors.partition", b"not a number"),
            ("__connect.errors.offset", b"5"),
            ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
        ]
    )

    assert refusal is not None
    assert (refusal.partition, refusal.offset) == (-1, 5)
    assert refusal.reason.endswith("DataException")


def test_a_record_that_nobody_refused_is_no_letter():
    """Something else in the topic is passed over."""
    assert read_refused_record([("traceparent", b"x")]) is None
