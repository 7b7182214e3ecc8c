"""Taking records: each is applied, ignored or a dead letter, once, and nothing is in between."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import REGISTRY
from tests.bad_records import BAD
from tests.capture.envelopes import every
from tests.change_events import COMMITTED_US, change, contest, entry, value
from watcher.changes.ingest import Ingest
from watcher.changes.lane import Lane
from watcher.changes.taken import Taken
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.model.change import ChangeEvent, Operation
from watcher.model.effects import (
    CrucibleGone,
    CrucibleState,
    Effect,
    EntryGone,
    EntryState,
    MetricDelta,
    Packed,
    PollEffects,
    ReconcileNeeded,
)
from watcher.model.errors import OffsetWentBackError, Reason, TemporaryError
from watcher.model.plan import Plan
from watcher.model.progress import Progress
from watcher.model.registry import Handler, Registry, Table, on
from watcher.model.row_state import arguments, packed_row

TOPIC = "postgres.CrucibleEntry"
GOOD = [envelope.value for envelope in every() if not envelope.schemas]
CREATED = value(change(Operation.CREATE, after=entry()))
ANY: list[bytes | None] = [*GOOD, *(content for content, _ in BAD.values() if len(content) < 10_000)]


def record(at: int, content: bytes | None, partition: int = 0) -> Message:
    """A Kafka record; the client's constructor is there for tests."""
    return Message(
        topic=TOPIC, partition=partition, offset=at, key=b"key", value=content, headers=[("own", b"1")],
        timestamp=(1, 1_000),
    )  # fmt: skip


def lane(partition: int = 0, *, rereading: Plan | None = None) -> Lane:
    progress = Progress("id", partition, 0, 0, rereading, rereading is not None)
    return Lane(TOPIC, partition, progress, 30.0)


def take(
    records: Sequence[Message], lanes: Iterable[Lane], first: int = 0, ingest: Ingest | None = None
) -> tuple[Taken, int]:
    ingest = ingest or Ingest(REGISTRY, Decoder(REGISTRY, None))
    return ingest.take(records, {(one.topic, one.partition): one for one in lanes}, 1.0, first)


def handled_by(handler: Handler[Any]) -> Ingest:
    """One handler in place of the table's own."""
    sample = entry()
    registry = Registry.of(Table("CrucibleEntry", type(sample), (handler,), {}, sample))
    return Ingest(registry, Decoder(registry, None))


def books(taken: Taken, lanes: Iterable[Lane]) -> tuple[int, int]:
    """Records consumed, and records accounted for."""
    applied = sum(one.gathered.applied.total() for one in lanes)
    return taken.consumed.total(), applied + taken.ignored.total() + len(taken.dead_letters)


@settings(max_examples=200, deadline=None)
@given(contents=st.lists(st.tuples(st.sampled_from(ANY), st.integers(0, 2)), max_size=40))
def test_what_is_consumed_is_applied_ignored_or_a_dead_letter(contents: list[tuple[bytes | None, int]]) -> None:
    """The books balance for any mix of records, per poll and per table and operation."""
    lanes = [lane(partition) for partition in range(3)]
    records = [record(at, content, partition) for at, (content, partition) in enumerate(contents)]

    taken, done = take(records, lanes)

    assert done == len(records)
    assert books(taken, lanes) == (len(records), len(records))
    assert sum(good + dead for good, dead in taken.runs) == len(records)
    assert sum(dead for _, dead in taken.runs) == len(taken.dead_letters)
    for table in ("Crucible", "CrucibleEntry"):
        consumed = sum(count for (name, _), count in taken.consumed.items() if name == table)
        applied = sum(count for one in lanes for (name, _), count in one.gathered.applied.items() if name == table)
        ignored = sum(count for (name, _), count in taken.ignored.items() if name == table)
        assert consumed == applied + ignored + sum(letter.table == table for letter in taken.dead_letters)


def test_the_books_do_not_balance_by_themselves() -> None:
    """A record that fell between two chairs would be seen: one letter taken out, and they differ."""
    lanes = [lane()]
    taken, _ = take([record(0, b"{"), record(1, GOOD[0])], lanes)
    taken.dead_letters.pop()

    consumed, accounted = books(taken, lanes)
    assert consumed != accounted


def test_one_change_three_times_in_a_row_counts_once() -> None:
    """Sent again as the very next records, it is told by its identity, and said to be a repeat."""
    one = value(change(Operation.CREATE, after=entry(id=1)))
    lanes = [lane()]

    taken, _ = take([record(at, one) for at in range(3)], lanes)

    assert len(lanes[0].gathered.rows) == 2
    assert taken.repeated == {"CrucibleEntry": 2}
    assert lanes[0].gathered.applied.total() == 3
    assert taken.newest == taken.oldest == lanes[0].gathered.oldest == {"CrucibleEntry": COMMITTED_US // 1000}


def test_two_rows_of_one_copy_count_twice() -> None:
    """Same place in the log, same commit, other keys."""
    rows = [value(change(Operation.CREATE, after=entry(id=one))) for one in (1, 2)]
    lanes = [lane()]

    taken, _ = take([record(at, one) for at, one in enumerate(rows)], lanes)

    assert len(lanes[0].gathered.rows) == 4
    assert not taken.repeated


def test_rows_of_one_change_are_numbered() -> None:
    """Together with the identity the number names a row of the table."""
    lanes = [lane()]
    take([record(0, value(change(Operation.CREATE, after=entry(id=1))))], lanes)

    assert [row[-1] for row in lanes[0].gathered.rows] == [0, 1]
    assert len({row[-2] for row in lanes[0].gathered.rows}) == 1


def test_a_dead_letter_carries_the_record_as_it_came() -> None:
    """Byte for byte, with its key, headers, place and time."""
    taken, _ = take([record(7, b"{broken")], [lane()])

    (letter,) = taken.dead_letters
    assert (letter.key, letter.value, letter.headers, letter.timestamp_ms) == (
        b"key", b"{broken", (("own", b"1"),), 1_000,
    )  # fmt: skip
    assert str(letter.position) == f"{TOPIC}[0]@7"


def test_records_of_a_partition_that_is_somebody_elses_are_left_alone() -> None:
    """A poll may still hold some after the partition was taken away; they are the next owner's."""
    mine, gone = lane(0), lane(1)
    gone.lose()

    taken, done = take([record(0, GOOD[0], 1), record(0, GOOD[0], 2), record(0, GOOD[0], 0)], [mine, gone])

    assert done == 3
    assert books(taken, [mine, gone]) == (1, 1)
    assert not gone.gathered.rows


def test_an_offset_that_comes_again_stops_everything() -> None:
    """The client lost its place; what it delivers cannot be believed."""
    lanes = [lane()]
    take([record(5, GOOD[0])], lanes)

    with pytest.raises(OffsetWentBackError):
        take([record(5, GOOD[0])], lanes)


def test_records_of_an_open_plan_are_taken_apart_from_what_follows() -> None:
    """A plan found half-way is written again with exactly its records, so taking stops at its end."""
    first = lane(rereading=Plan("id", 0, 0, 2))
    records = [record(at, value(change(Operation.CREATE, after=entry(id=at + 1)))) for at in range(4)]

    taken, done = take(records, [first])
    assert (done, taken.consumed.total(), first.progress.reread) == (2, 2, True)

    assert len(first.take().rows) == 4
    taken, done = take(records, [first], done)
    assert (done, taken.consumed.total()) == (4, 2)


def test_a_schema_registry_that_is_away_holds_its_record_back() -> None:
    """Nothing is lost and nothing is taken twice: the same poll is taken on from there when it is back."""

    class Registry_:  # noqa: N801 - a stand-in without a name of its own
        away = True

        def schema(self, schema_id: int) -> str:
            if self.away:
                raise TemporaryError("away")
            return '"string"'

    schemas = Registry_()
    ingest = Ingest(REGISTRY, Decoder(REGISTRY, AvroReader(schemas)))
    lanes = [lane()]
    records = [record(0, GOOD[0]), record(1, b"\x00\x00\x00\x00\x01\x02a"), record(2, GOOD[0])]

    taken, done = take(records, lanes, 0, ingest)
    assert (done, str(taken.waiting)) == (1, "away")
    assert books(taken, lanes) == (1, 1)

    schemas.away = False
    rest, done = take(records, lanes, done, ingest)
    assert (done, rest.waiting, rest.consumed.total()) == (3, None, 2)
    assert lanes[0].progress.next == 3


def test_a_handler_that_fails_makes_a_dead_letter_and_leaves_nothing_behind() -> None:
    """Not half of a change's rows either."""

    @on(*Operation)
    def fails(event: ChangeEvent[Any]) -> Iterable[Effect]:
        """Yields one effect and breaks."""
        yield MetricDelta("User", 1, 1, "x", 1)
        raise ValueError("no")

    lanes = [lane()]

    taken, _ = take([record(0, CREATED)], lanes, ingest=handled_by(fails))

    assert [letter.error.reason for letter in taken.dead_letters] == [Reason.HANDLER]
    assert not lanes[0].gathered.rows
    assert not taken.states
    assert books(taken, lanes) == (1, 1)


def test_an_effect_that_is_no_row_makes_a_dead_letter_and_leaves_nothing_behind() -> None:
    """The row before it goes as well, the change may come again, and the records around it are not touched."""

    @on(*Operation)
    def asks_too_much(event: ChangeEvent[Any]) -> Iterable[Effect]:
        """The second row's value does not fit its column, for one entry."""
        yield MetricDelta("User", 1, 1, "x", 1)
        yield MetricDelta("User", 1, 1, "y", 2**31 if event.row.id == 2 else 1)

    lanes = [lane()]
    records = [record(at, value(change(Operation.CREATE, after=entry(id=one)))) for at, one in enumerate((1, 2, 2, 3))]

    taken, _ = take(records, lanes, ingest=handled_by(asks_too_much))

    assert [letter.position.offset for letter in taken.dead_letters] == [1, 2]
    assert {letter.error.reason for letter in taken.dead_letters} == {Reason.HANDLER}
    assert [(row[3], row[7]) for row in lanes[0].gathered.rows] == [("x", 1), ("y", 1), ("x", 3), ("y", 3)]
    assert len(lanes[0].gathered.rows) == 4
    assert not taken.repeated
    assert books(taken, lanes) == (4, 4)


@pytest.mark.parametrize(
    "beyond",
    [
        EntryState(1, 5, 1, 1, 2**63),
        EntryState(2**64, 5, 1, 1, 1),
        EntryGone(1, 2**63),
        CrucibleState(1, 1, "\ud800", "Active", 1, None, None, None, 1),
        CrucibleGone(2**64),
    ],
    ids=["an entry's time", "an entry's crucible", "an entry", "a crucible's name", "a crucible"],
)
def test_a_state_that_cannot_be_shown_costs_its_record_and_all_of_it(beyond: Effect) -> None:
    """A number beyond 64 bits is a handler's mistake and no reason to stop; what came before it is not shown either."""

    @on(*Operation)
    def dreams(event: ChangeEvent[Any]) -> Iterable[Effect]:
        """Many things, one of them beyond what can be."""
        yield MetricDelta("User", 1, 1, "x", 1)
        yield EntryGone(1, event.row.id)
        yield CrucibleGone(1)
        yield ReconcileNeeded("CrucibleEntry", "truncate")
        yield beyond

    lanes = [lane()]

    taken, _ = take([record(0, CREATED)], lanes, ingest=handled_by(dreams))

    assert [letter.error.reason for letter in taken.dead_letters] == [Reason.HANDLER]
    assert list(lanes[0].gathered.rows) == []
    assert sum(len(one) for one in taken.states.values()) == 0
    assert not taken.reconcile
    assert books(taken, lanes) == (1, 1)
    arguments(taken.states)


def test_a_repeat_that_fails_leaves_the_first_one_known() -> None:
    """Of three deliveries of a change the second is a dead letter, and the third still a repeat."""

    @on(*Operation)
    def shows_first(event: ChangeEvent[Any]) -> Iterable[Effect]:
        """A state, then a row."""
        yield EntryState(1, event.row.id, 1, 1, 1 if event.row.image_id == 5 else 2**63)
        yield MetricDelta("User", 1, 1, "x", 1)

    lanes = [lane()]
    contents = [value(change(Operation.CREATE, after=entry(image_id=image))) for image in (5, 6, 5)]

    taken, _ = take([record(at, one) for at, one in enumerate(contents)], lanes, ingest=handled_by(shows_first))

    assert [letter.position.offset for letter in taken.dead_letters] == [1]
    assert len(lanes[0].gathered.rows) == 1
    assert taken.repeated.total() == 1
    assert books(taken, lanes) == (3, 3)


@settings(max_examples=50, deadline=None)
@given(shuffle=st.randoms(use_true_random=False), cuts=st.lists(st.integers(0, 30), max_size=5))
def test_how_records_are_divided_into_polls_does_not_matter(shuffle: random.Random, cuts: list[int]) -> None:
    """One poll or many: the same rows, the same books."""
    contents = shuffle.sample(ANY, 30)
    records = [record(at, content) for at, content in enumerate(contents)]
    whole, parts = lane(), lane()
    take(records, [whole])

    edges = sorted({0, *cuts, len(records)})
    consumed = sum(take(records[start:end], [parts])[0].consumed.total() for start, end in itertools.pairwise(edges))

    assert consumed == len(records)
    assert parts.gathered.rows.packed == whole.gathered.rows.packed
    assert parts.gathered.applied == whole.gathered.applied


def test_tables_that_take_turns_in_one_topic_are_counted_apart() -> None:
    """Names of topics are the operator's choice: changes of two tables, one after the other, in one partition."""
    contents = [
        value(change(Operation.CREATE, after=row, lsn=lsn))
        for lsn, row in enumerate([contest(id=1), entry(id=1), contest(id=2), entry(id=2), entry(id=3)], 1)
    ]
    lanes = [lane()]

    taken, done = take([record(at, one) for at, one in enumerate(contents)], lanes)

    assert done == 5
    assert taken.consumed == {("Crucible", "c"): 2, ("CrucibleEntry", "c"): 3} == lanes[0].gathered.applied
    assert [row[6] for row in lanes[0].gathered.rows] == [
        "Crucible", *["CrucibleEntry"] * 2, "Crucible", *["CrucibleEntry"] * 4,
    ]  # fmt: skip
    assert set(taken.newest) == set(taken.oldest) == {"Crucible", "CrucibleEntry"}


def test_a_change_that_nothing_answers_is_ignored_with_its_reason() -> None:
    """It is good for the limit of dead letters, its place is taken, and what comes after it is applied."""

    @on(*set(Operation) - {Operation.DELETE})
    def answers(event: ChangeEvent[Any]) -> Iterable[Effect]:
        """Counts each."""
        yield MetricDelta("User", 1, 1, "x", 1)

    sample = entry()
    table = Table("CrucibleEntry", type(sample), (answers,), {Operation.DELETE: "nobody minds"}, sample)
    registry = Registry.of(table)
    lanes = [lane()]
    contents = [
        value(change(Operation.CREATE, after=entry(id=1), lsn=1)),
        value(change(Operation.DELETE, before=entry(id=1), lsn=2)),
        value(change(Operation.CREATE, after=entry(id=2), lsn=3)),
    ]

    taken, done = take(
        [record(at, one) for at, one in enumerate(contents)], lanes, ingest=Ingest(registry, Decoder(registry, None))
    )

    assert (done, taken.ignored, taken.runs) == (3, {("CrucibleEntry", "operation"): 1}, [(3, 0)])
    assert lanes[0].gathered.applied == {("CrucibleEntry", "c"): 2}
    assert books(taken, lanes) == (3, 3)


def test_another_row_state_is_an_effect_and_a_handler() -> None:
    """An effect says itself where it goes; nothing between the handler and the sink knows it."""

    class Verdict(msgspec.Struct, frozen=True):
        """A state of a kind of its own."""

        crucible_id: int
        verdict: str

        def pack(self, lsn: int, poll: PollEffects) -> Packed:
            return poll.states[self.crucible_id].rows, [packed_row("verdict", lsn, self.verdict)]

    @on(*Operation)
    def judges(event: ChangeEvent[Any]) -> Iterable[Any]:
        """Yields it."""
        yield Verdict(event.row.crucible_id, "admitted")

    taken, _ = take([record(0, CREATED)], [lane()], ingest=handled_by(judges))

    first, _ = arguments(taken.states)
    assert msgspec.msgpack.decode(first) == [[entry().crucible_id, [["verdict", 4096, "admitted"]]]]


def test_a_fault_of_the_decoder_is_not_a_records() -> None:
    """What nobody foresaw while decoding stops the daemon; a letter would blame a record for it."""

    class Broken(Decoder):
        def decode_run(self, topic: str, values: Iterable[bytes | None]) -> Iterator[Any]:
            yield from itertools.islice(super().decode_run(topic, values), 1)
            raise LookupError("a bug")

    with pytest.raises(LookupError):
        take([record(0, CREATED), record(1, CREATED)], [lane()], ingest=Ingest(REGISTRY, Broken(REGISTRY, None)))


@pytest.mark.parametrize(
    ("content", "tables"),
    [
        (b"{", ["CrucibleEntry"]),
        (value(change(Operation.DELETE, before=None)), ["CrucibleEntry"]),
        (BAD["an unknown table"][0], []),
    ],
)
def test_a_letter_of_a_change_names_the_table_that_it_is_missed_in(content: bytes | None, tables: list[str]):
    """Its own, or the one whose changes its topic brings; what is no table of ours is missed nowhere."""
    taken, _ = take([record(0, content)], [lane()])

    assert [need.table for need in taken.needs()] == tables
