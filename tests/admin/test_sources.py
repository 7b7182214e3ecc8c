"""One suite for every source of records: Kafka's consumer, and topics in memory."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import pytest
from confluent_kafka import Producer

from tests.admin.conftest import Site
from tests.awaiting import await_that
from watcher.changes.memory_broker import MemoryBroker
from watcher.changes.memory_source import MemorySource
from watcher.changes.source import Source
from watcher.kafka.source import KafkaSource
from watcher.model.stream import AssignmentListener, Committed, Partition, Record
from watcher.model.table_pause import table_of

MEMBERSHIP = {"group.id": "", "session.timeout.ms": 6_000, "partition.assignment.strategy": "cooperative-sticky"}


class Opened(Protocol):
    """A topic of one partition, and how to read it."""

    topic: str

    def produce(self, *values: bytes) -> None: ...
    def open(self, listener: AssignmentListener) -> Source: ...


class InKafka:
    def __init__(self, site: Site) -> None:
        self.topic, self._site = site.topic, site
        site.make_topic(site.topic, 1)
        self._producer = Producer(site.client)

    def produce(self, *values: bytes) -> None:
        for value in values:
            self._producer.produce(self.topic, value, b"key", headers=[("own", b"1")], timestamp=1_000)
        assert self._producer.flush(30) == 0

    def open(self, listener: AssignmentListener) -> KafkaSource:
        return KafkaSource(self._site.client, {**MEMBERSHIP, "group.id": self._site.group}, listener, lambda _: None)


class InMemory:
    def __init__(self) -> None:
        self.topic, self._broker = "t.Crucible", MemoryBroker()
        self._broker.create_topic(self.topic)

    def produce(self, *values: bytes) -> None:
        for value in values:
            self._broker.produce(self.topic, value, b"key", headers=[("own", b"1")], time_ms=1_000)

    def open(self, listener: AssignmentListener) -> MemorySource:
        return MemorySource(self._broker, listener)


@pytest.fixture(params=["kafka", "memory"])
def opened(request: pytest.FixtureRequest) -> Opened:
    return InKafka(request.getfixturevalue("site")) if request.param == "kafka" else InMemory()


class Reader:
    """Reads from an offset on, and hears what is assigned."""

    def __init__(self, opened: Opened, first: int = 0) -> None:
        self.given: list[Partition] = []
        self.revoked: list[Partition] = []
        self._first = first
        self.place: Partition = (opened.topic, 0)
        self.source = opened.open(AssignmentListener(self._assigned, self.revoked.extend, lambda _: None))
        self.source.subscribe([opened.topic])

    def _assigned(self, partitions: list[Partition]) -> Mapping[Partition, int]:
        self.given += partitions
        return dict.fromkeys(partitions, self._first)

    def read(self, count: int) -> Sequence[Record]:
        """Read until there are so many."""
        found: list[Record] = []

        def came() -> bool:
            found.extend(self.source.poll(100, 0.2))
            return len(found) >= count

        await_that(came, f"{count} records")
        return found

    def timed(self, patience: float, gather: float = 0.0) -> tuple[int, float]:
        """Poll once; return how many records came and how long it took."""
        began = time.monotonic()
        return len(self.source.poll(100, patience, gather)), time.monotonic() - began


@pytest.fixture
def reader(opened: Opened) -> Iterator[Callable[..., Reader]]:
    readers: list[Reader] = []

    def read(first: int = 0) -> Reader:
        readers.append(Reader(opened, first))
        return readers[-1]

    yield read
    for one in readers:
        one.source.close()


def test_records_come_whole_and_in_order_from_where_the_listener_says(opened: Opened, reader: Callable[..., Reader]):
    """With all that a dead letter would have to carry."""
    opened.produce(b"0", b"1", b"2")
    one = reader(first=1)

    records = one.read(2)

    assert one.given == [(opened.topic, 0)]
    assert [(record.offset(), record.value()) for record in records] == [(1, b"1"), (2, b"2")]
    first = records[0]
    assert (first.topic(), first.partition(), first.key(), first.headers(), first.timestamp()) == (
        opened.topic, 0, b"key", [("own", b"1")], (1, 1_000),
    )  # fmt: skip


def test_a_record_ends_the_wait_and_nothing_else_does(opened: Opened, reader: Callable[..., Reader]):
    """Where nothing comes the whole patience is waited, although the partition's end is told at its beginning."""
    one = reader()
    opened.produce(b"0")
    one.read(1)
    empty, waited = one.timed(1.0)
    opened.produce(b"1")
    came, took = one.timed(20.0)

    assert (empty, came) == (0, 1)
    assert 0.9 < waited < 10.0
    assert took < 10.0


def test_what_is_committed_is_told_with_its_metadata(opened: Opened, reader: Callable[..., Reader]):
    """The plan of a batch travels so; a partition without an offset says so."""
    opened.produce(b"0", b"1")
    one = reader()
    one.read(2)
    before = one.source.committed([one.place])

    refused = one.source.commit({one.place: (1, '{"plan":1}')})

    assert (before, refused) == ({one.place: Committed(None, None)}, {})
    assert one.source.committed([one.place]) == {one.place: Committed(1, '{"plan":1}')}
    assert one.source.bounds(one.place) == (0, 2)


def test_nothing_is_delivered_while_it_is_paused(opened: Opened, reader: Callable[..., Reader]):
    """The member stays in the group, for it goes on polling; afterwards nothing is missing."""
    one = reader()
    opened.produce(b"0")
    one.read(1)
    one.source.pause()
    opened.produce(b"1", b"2")

    paused = one.source.poll(100, 1.0)
    assert (list(paused), one.source.paused) == ([], 1)

    one.source.resume()
    assert [record.offset() for record in one.read(2)] == [1, 2]
    await_that(lambda: bool(one.source.poll(1, 0.1) or one.source.at_end(one.place)), "the end is known")


def test_what_is_held_waits_whatever_else_is_paused_and_resumed(opened: Opened, reader: Callable[..., Reader]):
    """A person's pause of a table outlasts those of a sink that catches up, and nobody knows where its end is."""
    one = reader()
    opened.produce(b"0")
    one.read(1)
    await_that(lambda: bool(one.source.poll(1, 0.1) or one.source.at_end(one.place)), "the end is known")
    one.source.hold({table_of(one.place[0])})
    opened.produce(b"1")
    held, at_end = list(one.source.poll(100, 0.5)), one.source.at_end(one.place)
    one.source.pause()
    one.source.resume()
    still = list(one.source.poll(100, 1.0))
    one.source.pause()
    one.source.hold(())
    paused = list(one.source.poll(100, 0.5))

    assert (held, at_end, still, paused) == ([], False, [], [])

    one.source.resume()
    assert [record.offset() for record in one.read(1)] == [1]

    one.source.hold({"another"})
    opened.produce(b"2")
    assert [record.offset() for record in one.read(1)] == [2]


def test_leaving_gives_the_partitions_back(opened: Opened, reader: Callable[..., Reader]):
    """The listener hears of it while it can still commit, and the next member gets them."""
    opened.produce(b"0")
    one = reader()
    one.read(1)

    one.source.close()

    assert one.revoked == [one.place]
    two = reader(first=0)
    assert [record.offset() for record in two.read(1)] == [0]
