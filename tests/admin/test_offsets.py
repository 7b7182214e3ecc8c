"""Moving the group's offsets: only at rest, only to where there is something, and told before it is done."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.admin.conftest import Site
from watcher.admin.offsets import Move, read_target, reset
from watcher.kafka.admin import KafkaAdmin
from watcher.migrations.postgres.migrate import ensure
from watcher.model.errors import StopError
from watcher.postgres.own.reconcile_needed import needs
from watcher.postgres.session import Session


def commit(site: Site, offset: int, metadata: str = "", partition: int = 0) -> None:
    """What a watcher leaves behind."""
    consumer = Consumer({**site.client, "group.id": site.group})
    consumer.commit(offsets=[TopicPartition(site.topic, partition, offset, metadata)], asynchronous=False)
    consumer.close()


def places(site: Site) -> dict[int, dict[str, int | None]]:
    done = site.crucible("offsets", "show", "--json")
    assert done.returncode == 0, done.stderr
    return {one["partition"]: one for one in json.loads(done.stdout)["partitions"]}


def test_show_tells_where_the_group_is(site: Site):
    """Committed offset, the batch under way, what the topic holds, and the lag; a partition never read counts whole."""
    site.make_topic(site.topic)
    site.produce(10)
    site.produce(3, partition=1)
    commit(site, 4, '{"plan":1,"topic":"x","end":7}')

    found = places(site)

    assert [found[0][key] for key in ("committed", "plan_end", "low", "high", "lag")] == [4, 7, 0, 10, 6]
    assert [found[1][key] for key in ("committed", "plan_end", "low", "high", "lag")] == [None, None, 0, 3, 3]


@pytest.mark.parametrize(
    ("to", "expected"),
    [("earliest", 0), ("latest", 10), ("7", 7), ("1970-01-01T00:16:43.500+00:00", 4), ("2099-01-01", 10)],
)
def test_reset_moves_to_where_it_is_told(site: Site, to: str, expected: int):
    """Records lie a second apart from 16:40 on; a time after the last record means the end."""
    site.make_topic(site.topic)
    site.produce(10)
    commit(site, 5)

    done = site.crucible("offsets", "reset", "--topic", site.topic, "--partition", "0", "--to", to, "--yes")

    assert done.returncode == 0, done.stderr
    found = places(site)
    assert (found[0]["committed"], found[1]["committed"]) == (expected, None)
    assert found[0]["plan_end"] is None


def test_a_dry_run_changes_nothing(site: Site):
    """It says what it would do, records that it would skip included."""
    site.make_topic(site.topic)
    site.produce(10)
    commit(site, 5)

    done = site.crucible("offsets", "reset", "--topic", site.topic, "--to", "latest", "--dry-run", "--json")

    answer = json.loads(done.stdout)
    assert answer["applied"] is False
    assert [answer["moves"][0][key] for key in ("before", "after", "skipped")] == [5, 10, 5]
    assert places(site)[0]["committed"] == 5


def test_each_topic_that_is_named_is_moved(site: Site):
    """Not the last one alone; partitions can only be those of one."""
    topics = [site.topic, f"{site.topic}Entry"]
    for topic in topics:
        site.make_topic(topic, 1)
    named = [word for topic in topics for word in ("--topic", topic)]
    done = site.crucible("offsets", "reset", *named, "--to", "latest", "--yes", "--json")
    refused = site.crucible("offsets", "reset", *named, "--partition", "0", "--to", "latest", "--yes")

    assert [move["topic"] for move in json.loads(done.stdout)["moves"]] == topics
    assert (refused.returncode, "name one --topic" in refused.stderr) == (2, True)


def test_without_a_yes_nothing_happens(site: Site):
    """A question that nobody answers is a no."""
    site.make_topic(site.topic)
    commit(site, 0)

    done = site.crucible("offsets", "reset", "--topic", site.topic, "--to", "latest")

    assert done.returncode == 1


def test_an_active_group_is_left_alone(site: Site):
    """A running watcher would commit its own place over the new one, so the command names who runs and stops."""
    site.make_topic(site.topic)
    consumer = Consumer({**site.client, "group.id": site.group, "client.id": "somebody"})
    consumer.subscribe([site.topic])
    try:
        while not consumer.assignment():
            consumer.poll(0.2)
        consumer.commit(offsets=[TopicPartition(site.topic, 0, 0)], asynchronous=False)

        done = site.crucible("offsets", "reset", "--topic", site.topic, "--to", "latest", "--yes")
    finally:
        consumer.close()

    assert (done.returncode, "somebody" in done.stderr, "stop every watcher" in done.stderr) == (1, True, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "11"), "holds offsets 0 to 10, 11 is given"),
        (("--to", "0", "--partition", "5"), "has partitions 0 to 1"),
        (("--to", "yesterday"), "is not earliest, latest, an offset or a time"),
    ],
)
def test_a_place_that_is_not_there_is_refused(site: Site, arguments: tuple[str, ...], words: str):
    """Going where there is nothing would stop the watcher at its next start."""
    site.make_topic(site.topic)
    site.produce(10)

    done = site.crucible("offsets", "reset", "--topic", site.topic, *arguments, "--yes")

    assert done.returncode in {1, 2}
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_a_topic_that_is_not_there_is_refused(site: Site):
    """A misspelt topic is named."""
    done = site.crucible("offsets", "reset", "--topic", "nonsense", "--to", "earliest", "--yes")

    assert (done.returncode, "topic nonsense does not exist" in done.stderr) == (1, True)


@pytest.fixture
def session(site: Site) -> Iterator[Session]:
    """The watcher's schema, in which nothing was ever skipped."""
    dsn = site.environ["CRUCIBLE_POSTGRES__DSN"]
    ensure(dsn, "crucible_watcher")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM crucible_watcher.reconcile_needed WHERE reason = 'skipped'")
        yield Session(connection, "crucible_watcher")


def skipped(session: Session) -> list[str]:
    """The tables of which records are noted as skipped."""
    return [need.source_table for need in needs(session) if need.reason == "skipped"]


def test_skipped_records_leave_a_mark(site: Site, session: Session):
    """Going forward over records is noted for a comparison with PostgreSQL; going back is not."""
    site.make_topic(site.topic)
    site.produce(10)
    commit(site, 5)
    noted = []
    for to in ("earliest", "latest"):
        done = site.crucible("offsets", "reset", "--topic", site.topic, "--to", to, "--yes")
        assert done.returncode == 0, done.stderr
        noted.append(skipped(session))

    assert noted == [[], ["Crucible"]]


def test_a_group_without_a_place_skips_what_it_never_read(site: Site, session: Session):
    """A group that was deleted has read nothing that anybody knows of: all before its new place is told and noted."""
    site.make_topic(site.topic)
    site.produce(10)

    done = site.crucible("offsets", "reset", "--topic", site.topic, "--to", "latest", "--yes", "--json")

    assert [move["skipped"] for move in json.loads(done.stdout)["moves"]] == [10, 0]
    assert skipped(session) == ["Crucible"]


def test_a_move_that_fails_is_noted_already(site: Site, session: Session):
    """Whatever goes wrong from the first change of an offset on, what is skipped has been noted."""
    site.make_topic(site.topic)
    move = Move(site.topic, partition=99, before=0, after=10, low=0, high=10)

    with pytest.raises(StopError):
        reset(KafkaAdmin(site.client), site.group, [move], session, ["Crucible"])

    assert skipped(session) == ["Crucible"]


def test_a_refused_move_is_not_noted(site: Site, session: Session):
    """As long as somebody is in the group nothing moves, so nothing is skipped."""
    site.make_topic(site.topic)
    site.produce(10)
    consumer = Consumer({**site.client, "group.id": site.group})
    consumer.subscribe([site.topic])
    try:
        while not consumer.assignment():
            consumer.poll(0.2)
        done = site.crucible("offsets", "reset", "--topic", site.topic, "--to", "latest", "--yes")
    finally:
        consumer.close()

    assert (done.returncode, skipped(session)) == (1, [])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(None, 20, 10), (None, 10, 0), (15, 20, 5), (15, 10, 0), (20, 20, 0), (21, 15, 5), (5, 10, 5)],
)
def test_what_a_move_skips(before: int | None, after: int, expected: int):
    """Of a topic that holds 10 to 20: an offset beyond its end is another topic's, one before its beginning is ours."""
    assert Move("t", 0, before, after, low=10, high=20).skipped == expected


@pytest.mark.parametrize("text", ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.998Z", "1960-01-01"])
def test_a_time_before_kafkas_is_refused(text: str):
    """As milliseconds it is negative, and -1 is Kafka's word for the end: records would be skipped."""
    with pytest.raises(ValueError, match="is before 1970"):
        read_target(text)


def test_kafkas_first_moment_is_a_time():
    """1970 itself is an answerable question."""
    assert read_target("1970-01-01T00:00:00Z") == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "noon"])
def test_what_is_no_target_is_refused(text: str):
    """Neither a negative offset nor a word becomes a place by accident."""
    with pytest.raises(ValueError, match="is not earliest"):
        read_target(text)
