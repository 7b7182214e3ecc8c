"""A refused record is kept as it came, can be found, and never blocks the stream behind it."""

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from tests.admin.conftest import Site
from watcher.admin.dead_letters import read_dead_letters
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.kafka import dead_letters
from watcher.kafka.admin import KafkaAdmin
from watcher.kafka.dead_letters import MAX_CUT_VALUE_BYTES, READY_SECONDS, KafkaDeadLetters
from watcher.model.change import Position
from watcher.model.dead_letter import DeadLetter
from watcher.model.errors import Reason, RecordError, TemporaryError

WHEN = 1_700_000_000_123


def letter(
    offset: int = 7, value: bytes | None = b'{"a":', reason: Reason = Reason.NOT_JSON, **other: object
) -> DeadLetter:
    return DeadLetter(
        position=Position("postgres.Crucible", 1, offset),
        key=other.get("key", b'{"id":1}'),  # type: ignore[arg-type]
        value=value,
        headers=other.get("headers", (("traceparent", b"00-abc"), ("raw", b"\xff\x00"), ("none", None))),  # type: ignore[arg-type]
        timestamp_ms=other.get("timestamp_ms", WHEN),  # type: ignore[arg-type]
        error=RecordError(reason, "input was cut off"),
        table=other.get("table", "Crucible"),  # type: ignore[arg-type]
    )


@pytest.fixture
def sink(site: Site) -> Iterator[KafkaDeadLetters]:
    sink = KafkaDeadLetters(site.client, site.letters, site.group)
    yield sink
    sink.close()


def test_a_letter_is_the_record_byte_for_byte(site: Site, sink: KafkaDeadLetters):
    """Key, value, headers and time come back as they were; the topic is made for the first letter."""
    sink.send([letter(value=b"\x00\xff{")])
    sink.flush(30)

    (found,) = read_dead_letters(site.client, site.letters)
    assert (found.key, found.value) == (b'{"id":1}', b"\x00\xff{")
    assert found.headers == (("traceparent", b"00-abc"), ("raw", b"\xff\x00"), ("none", None))
    assert found.time.timestamp() * 1000 == WHEN
    assert (found.record.topic, found.record.partition, found.record.offset) == ("postgres.Crucible", 1, 7)
    assert (found.record.reason, found.record.table, found.record.group) == ("not_json", "Crucible", site.group)


def test_a_tombstone_and_a_record_without_a_time_are_letters_too(site: Site, sink: KafkaDeadLetters):
    """Null stays null, and a time that nobody knows becomes that of sending."""
    sink.send([letter(value=None, key=None, timestamp_ms=-1)])
    sink.flush(30)

    (found,) = read_dead_letters(site.client, site.letters)
    assert (found.key, found.value) == (None, None)
    assert found.time.year > 2023


def test_a_letter_that_is_too_big_gets_smaller(site: Site, sink: KafkaDeadLetters):
    """A broker that takes one megabyte gets the beginning of ten, with their number; the next letter is not delayed."""
    site.make_topic(site.letters, 1, **{"max.message.bytes": "1048588"})
    sink.send([letter(1, value=b"x" * 10_000_000), letter(2)])
    for _ in range(3):
        try:
            sink.flush(30)
            break
        except TemporaryError:
            continue

    big, small = sorted(read_dead_letters(site.client, site.letters), key=lambda one: one.record.offset)
    assert (len(big.value or b""), big.record.truncated_bytes) == (MAX_CUT_VALUE_BYTES, 10_000_000)
    assert small.record.truncated_bytes is None


def test_ten_megabytes_fit_into_the_topic_that_we_make(site: Site, sink: KafkaDeadLetters):
    """What the connector's topics take, ours takes as well."""
    sink.send([letter(value=b"x" * 10_000_000)])
    sink.flush(60)

    (found,) = read_dead_letters(site.client, site.letters)
    assert (len(found.value or b""), found.record.truncated_bytes) == (10_000_000, None)


def test_headers_that_are_too_big_are_left_out(site: Site, sink: KafkaDeadLetters):
    """In the end our own headers remain: where the record lies, and why it was refused."""
    site.make_topic(site.letters, 1, **{"max.message.bytes": "20000"})
    sink.send([letter(headers=(("big", b"x" * 50_000),))])
    sink.flush(30)

    (found,) = read_dead_letters(site.client, site.letters)
    assert (found.headers, found.value, found.record.offset) == ((), b"", 7)


def test_a_time_that_the_broker_refuses_goes_into_a_header(site: Site, sink: KafkaDeadLetters):
    """A record from the year 2100 must not block those of today."""
    sink.send([letter(timestamp_ms=4_102_444_800_000)])
    sink.flush(30)

    (found,) = read_dead_letters(site.client, site.letters)
    assert found.time.year < 2100


def test_a_letter_that_was_sent_twice_is_listed_once(site: Site, sink: KafkaDeadLetters):
    """A batch read again after a crash refuses its records again; a record refused after a replay is another."""
    sink.send([letter()])
    sink.send([letter()])
    sink.flush(30)
    (once,) = read_dead_letters(site.client, site.letters)

    sink.send([letter(headers=(("crucible.dlq.reason", b"not_json"),))])
    sink.flush(30)

    assert once.copies == 2
    assert [(one.record.refusals, one.copies) for one in read_dead_letters(site.client, site.letters)] == [
        (1, 2),
        (2, 1),
    ]


def test_a_broker_that_is_away_is_told_and_nothing_is_lost(site: Site):
    """Flush says that it is not done, and may be called again."""
    away = KafkaDeadLetters({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, site.letters, site.group)
    away.send([letter()])

    for _ in range(2):
        with pytest.raises(TemporaryError):
            away.flush(0.1)


def test_list_and_show(site: Site, sink: KafkaDeadLetters):
    """A person finds letters by table and reason, sees no content in the list, and all of it in one."""
    sink.send([letter(1), letter(2, reason=Reason.BAD_ROW, value=b'{"name":"private"}')])
    sink.flush(30)

    listed = site.crucible("dlq", "list", "--reason", "bad_row")
    counted = json.loads(site.crucible("dlq", "list", "--json").stdout)
    shown = json.loads(site.crucible("dlq", "show", "postgres.Crucible[1]@2", "--json").stdout)

    assert "postgres.Crucible[1]@2" in listed.stdout
    assert ("[1]@1 " in listed.stdout, "private" in listed.stdout) == (False, False)
    assert [one["reason"] for one in counted] == ["not_json", "bad_row"]
    assert (shown["value"], shown["headers"][1]["value"]) == ('{"name":"private"}', "0xff00")
    assert site.crucible("dlq", "show", "0@99").returncode == 1


def test_a_letter_from_beyond_the_calendar_is_listed(site: Site, sink: KafkaDeadLetters):
    """A time in microseconds, taken for milliseconds, lies in no year that a date has; the list must not end there."""
    site.make_topic(site.letters, 1, **{"message.timestamp.after.max.ms": str(2**63 - 1)})
    sink.send([letter(1, timestamp_ms=WHEN * 1000), letter(2)])
    sink.flush(30)

    found = json.loads(site.crucible("dlq", "list", "--json").stdout)

    assert [(one["record"][-2:], one["time"][:4]) for one in found] == [("@2", "2023"), ("@1", "9999")]


def test_a_letter_of_no_table_is_found_as_the_alert_says(site: Site, sink: KafkaDeadLetters):
    """Metrics call its table unknown, and the alert's command is made of their labels."""
    sink.send([letter(1), letter(2, table="")])
    sink.flush(30)

    found = json.loads(site.crucible("dlq", "list", "--table", "unknown", "--reason", "not_json", "--json").stdout)

    assert [one["record"] for one in found] == ["postgres.Crucible[1]@2"]


def test_no_topic_is_no_letters(site: Site):
    """Before the first dead letter there is nothing to list, and that is no error."""
    done = site.crucible("dlq", "list", "--json")

    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_letters_that_somebody_has_seen_to_warn_no_more(site: Site, sink: KafkaDeadLetters):
    """Only newer ones do, also in a topic that was made anew."""
    admin = KafkaAdmin(site.client)

    def told() -> tuple[Level, str]:
        found = {one.name: one for one in dead_letters(admin, site.letters, site.group)}["kafka.dead_letters"]
        return found.level, found.found

    sink.send([letter(1), letter(2)])
    sink.flush(30)
    first = told()
    done = site.crucible("dlq", "seen")
    seen = told()
    sink.send([letter(3)])
    sink.flush(30)

    assert first == (Level.WARN, f"up to 2 letters in {site.letters} that nobody has looked at")
    assert (done.returncode, "seen to 2 letters" in done.stderr) == (0, True)
    assert seen == (Level.OK, f"2 letters in {site.letters}, all seen")
    assert told() == (Level.WARN, f"up to 1 letter in {site.letters} that nobody has looked at")


def delete_topic(site: Site) -> None:
    admin = AdminClient(site.client)  # it answers only as long as it lives
    admin.delete_topics([site.letters])[site.letters].result(30)


def test_a_topic_that_is_deleted_meanwhile_is_made_anew(site: Site):
    """With the settings that letters need, and what was sent to the old one arrives: nothing waits for ever."""
    now = [0.0]
    sink = KafkaDeadLetters(site.client, site.letters, site.group, clock=lambda: now[0])
    try:
        sink.send([letter(1)])
        sink.flush(30)
        delete_topic(site)
        now[0] += READY_SECONDS
        sink.send([letter(2)])
        sink.flush(30)
    finally:
        sink.close()

    assert [one.record.offset for one in read_dead_letters(site.client, site.letters)] == [2]
    assert KafkaAdmin(site.client).topic_settings(site.letters)["retention.ms"] == "-1"


def test_letters_that_were_deleted_with_their_topic_are_missed(site: Site, sink: KafkaDeadLetters):
    """What they told of is known to have been refused; a topic that has them all is none that was deleted."""
    admin = KafkaAdmin(site.client)

    def told() -> list[tuple[str, Level]]:
        found = dead_letters(admin, site.letters, site.group, refused=lambda: {"Crucible": 1, "CrucibleEntry": 1})
        return [(one.name, one.level) for one in found]

    gone = told()
    sink.send([letter(1)])
    sink.flush(30)
    fewer = told()
    sink.send([letter(2)])
    sink.flush(30)

    assert gone == [("kafka.dead_letters.topic", Level.FAIL)]
    assert fewer[0] == ("kafka.dead_letters.topic", Level.FAIL)
    assert [name for name, _ in told()] == ["kafka.dead_letters"]
