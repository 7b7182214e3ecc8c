"""Dead letters that are taken again count once, whoever takes them, dies in it, or comes from the stream meanwhile."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from handlers import REGISTRY
from tests.change_events import COMMITTED_US, change, contest, entry, value
from tests.reconcile.conftest import World
from tests.reconcile.test_repair import mending
from tests.scythe import Scythe
from watcher.admin.dead_letters import DeadLetterFilter
from watcher.changes.ingest import Ingest
from watcher.changes.memory_sinks import MemoryStates
from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.letter_rows import LETTERS
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.dead_letters import replaying
from watcher.dead_letters.eligibility import Eligibility, Passed
from watcher.dead_letters.letter_decoder import LetterDecoder
from watcher.dead_letters.needs import settle
from watcher.dead_letters.replaying import Replayer
from watcher.dead_letters.row_comparison import RowComparison
from watcher.dead_letters.row_of_letter import LetterSubjects, row_of
from watcher.dead_letters.taking import Account, Taking
from watcher.decode.decoder import Decoder
from watcher.kafka.dead_letter_topic import LetterPlace, StoredDeadLetter
from watcher.model.change import Operation
from watcher.model.dead_letter_headers import RefusedRecord
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent
from watcher.model.letter_outcome import LetterOutcome
from watcher.model.metric_rows import MetricRows
from watcher.model.need_reason import NeedReason
from watcher.model.plan import Plan
from watcher.model.repair import RepairPlan
from watcher.postgres.own import dead_letters, history, reconcile_needed, repair, replay
from watcher.postgres.own.dead_letters import Tried
from watcher.postgres.session import Session
from watcher.reconcile.repairs import decided_replays
from watcher.reconcile.repairs.after_repairs import AfterRepairs
from watcher.reconcile.repairs.stream import StreamStandsError
from watcher.reconcile.stores import Stores

TOPIC = "postgres.CrucibleEntry"
ENTRIES = REGISTRY.tables["CrucibleEntry"].counted
TABLES = {TOPIC: "CrucibleEntry"}


def letter(number: int, event: Any = None, *, raw: bytes | None = None, **other: Any) -> StoredDeadLetter:
    """A letter of an entry that came, at its own place; the record lies at the same offset."""
    record = RefusedRecord(TOPIC, 0, number, "bad_row", "cut off", "CrucibleEntry", "watcher", 1)
    if event is None:
        event = change(Operation.CREATE, after=entry(id=number, crucible_id=7, user_id=1), lsn=10_000 + number)
    return StoredDeadLetter(
        partition=0,
        offset=number,
        time=datetime.fromtimestamp(COMMITTED_US / 1e6, UTC),
        record=msgspec.structs.replace(record, **other),
        key=None,
        value=raw if raw is not None else value(event),
        headers=(),
    )


class Run:
    """One who takes letters: connections of its own."""

    def __init__(self, world: World, session: Session, states: MemoryStates, **given: Any) -> None:
        self.session, self.states = session, states
        self.insert = PlannedInsert(LETTERS, ClickHouseLink(world.client), queries())
        history.check(session)
        at = given.pop("history", history.accepted(session)[-1])
        passed: Mapping[Any, Passed] = given.pop("passed", {})
        value_at: Callable[[RefusedRecord], bytes | None] = given.pop("value_at", lambda _: None)
        self.replayer = Replayer(
            session,
            insert=self.insert,
            states=states,
            decoder=LetterDecoder(Ingest(REGISTRY, Decoder(REGISTRY, None))),
            eligibility=Eligibility(lambda topic: topic.startswith("postgres."), passed, "watcher", value_at),
            history=at,
            topic_id="T",
            subjects=LetterSubjects(
                table_of=lambda one: one.record.table or TABLES.get(one.record.topic, ""),
                row_of=lambda one: row_of(one, "CrucibleEntry", {"CrucibleEntry": ("public", "id")}, None),
                settled=given.pop("settled", None),
            ),
            made_by="a test",
            pause=given.pop("pause", lambda _: None),
        )

    def take(self, some: list[StoredDeadLetter], wanted: DeadLetterFilter, *, dry_run: bool = False) -> Account:
        """Go through the whole topic."""
        taking = Taking(self.session, "T", lambda one: one.record.table)
        list(
            taking.through(
                [LetterPlace(one.partition, one.offset, one) for one in some], wanted, self.replayer, dry_run=dry_run
            )
        )
        return taking.account


@contextmanager
def running(world: World, states: MemoryStates | None = None, **given: Any) -> Iterator[Run]:
    with world.session() as session:
        run = Run(world, session, states or MemoryStates(), **given)
        yield run
        run.insert.close()


@pytest.fixture
def site(world: World) -> World:
    """A site that nobody has taken letters of."""
    for table in ("repair", "replay", "letter", "letters_purged", "reconcile_needed"):
        world.site.execute(f"TRUNCATE crucible_watcher.{table}".encode())
    return world


def total(world: World) -> int:
    """Return what all counts of entries add up to, in the view that people read."""
    asked = "SELECT sum(total) FROM metric_totals WHERE metric_type = 'Entry'"
    return int(world.clickhouse.query(asked).result_rows[0][0])


def outcomes(tried: list[Tried]) -> dict[int, str]:
    return {one.position: one.outcome.value for one in tried}


def test_each_letter_is_counted_once_and_told_what_became_of_it(site: World) -> None:
    """Its state is shown too; a second run finds them done, a copy of one and a letter of the same change count not."""
    known = [letter(1), letter(2), letter(1, offset=50)]
    twin = msgspec.structs.replace(letter(1), offset=9)
    with running(site) as run:
        foreseen = outcomes(run.replayer.foresee([letter(1), letter(2), twin]))
        nothing_yet = total(site), list(run.states.calls)
        first = run.replayer.replay([letter(1), letter(2), twin])
        again = run.replayer.replay(known)

    assert foreseen == outcomes(first) == {1: "counted", 2: "counted", 9: "repeated"}
    assert nothing_yet == (0, [])
    assert outcomes(again) == {1: "repeated", 2: "repeated"}
    assert total(site) == 2


def test_a_change_that_the_stream_has_counted_counts_nothing(site: World) -> None:
    """Offsets were set back, or the record was produced again by hand."""
    with running(site) as run:
        rows = run.replayer._decoder.decode(letter(1), letter(1).value).rows
        stream = PlannedInsert(CHANGES, ClickHouseLink(site.client), queries())
        stream.write(Plan("t", 0, 0, 5), rows)
        stream.close()

        assert outcomes(run.replayer.replay([letter(1), letter(2)])) == {1: "repeated", 2: "counted"}
    assert total(site) == 2


def test_a_change_whose_row_was_repaired_counts_nothing(site: World) -> None:
    """Up to the repair's position; what was changed later is counted."""
    with running(site) as run:
        plan = RepairPlan(0, "CrucibleEntry", 1, 10_002, (1, 2, 3), {"missing": 3}, "t", b"")
        repair.done(run.session, repair.plan(run.session, plan, "a test").id)

        assert outcomes(run.replayer.replay([letter(2), letter(3)])) == {2: "repaired", 3: "counted"}


def test_a_repair_under_way_is_waited_for(site: World) -> None:
    """It may be withdrawn yet, and then nobody would have counted the change."""
    with running(site) as run:
        plan = RepairPlan(0, "CrucibleEntry", 1, 99_999, (1,), {"missing": 1}, "t", b"")
        open_repair = repair.plan(run.session, plan, "a test")
        with pytest.raises(TemporaryError, match=r"repair of CrucibleEntry is under way.*crucible reconcile"):
            run.replayer.replay([letter(1)])
        repair.withdraw(run.session, open_repair.id)

        assert outcomes(run.replayer.replay([letter(1)])) == {1: "counted"}


def test_a_newer_row_in_redis_stays(site: World) -> None:
    """A letter of an older change is counted, and shows nothing."""
    states = MemoryStates()
    with running(site, states) as run:
        opened = change(Operation.CREATE, after=contest(id=7), lsn=5_000)
        run.replayer.replay([letter(90, opened, topic="postgres.Crucible")])
        newer = change(
            Operation.UPDATE,
            entry(id=1, crucible_id=7, user_id=1),
            entry(id=1, crucible_id=7, user_id=2),
            lsn=20_000,
        )
        run.replayer.replay([letter(5, newer)])
        run.replayer.replay([letter(1)])

    assert states.marks[7, "entry", 1] == (1, 20_000)
    assert total(site) == 1  # created by 1, moved to 2: 1 - 1 + 1


def test_a_letter_that_is_refused_again_stays_one_letter(site: World) -> None:
    """Its story grows; nothing is sent anywhere."""
    broken = letter(3, raw=b'{"op":"c","source":{"table":"CrucibleEntry","lsn":1,"ts_ms":1},"after":{"id":"x"}}')
    with running(site) as run:
        for _ in range(3):
            (tried,) = run.replayer.replay([broken])
        story = dead_letters.known(run.session, "T", 0, [3])[3]
        run.replayer.replay([letter(3)])  # the cause is mended
        mended = dead_letters.known(run.session, "T", 0, [3])[3]
        run.replayer.replay([broken])  # by an older program
        after = dead_letters.known(run.session, "T", 0, [3])[3]

    assert (tried.outcome, tried.message[:8]) == (LetterOutcome.REFUSED, "bad_row:")
    assert (story.outcome, story.tries, story.done) == ("refused", 3, False)
    assert (mended.outcome, mended.tries, mended.done) == ("counted", 4, True)
    assert (after.outcome, after.done) == ("counted", True)


def test_a_story_may_quote_what_postgresql_does_not_store(site: World) -> None:
    """A value of the site's has a zero byte in it, and a foreign tool has written the headers."""
    broken = b'{"op":"c","source":{"table":"No\\u0000Such","lsn":1,"ts_ms":1},"after":{"id":1}}'
    with running(site) as run:
        run.replayer.replay([letter(1, raw=broken, topic="postgres.\0", partition=-1, offset=-1, table="\0")])
        story = dead_letters.known(run.session, "T", 0, [1])[1]

    assert (story.outcome, "source.table is" in story.message) == ("refused", True)


@pytest.mark.parametrize(
    ("given", "found", "outcome", "says"),
    [
        ({"topic": "other.CrucibleEntry"}, None, "foreign", "kafka.topics"),
        ({"partition": 3}, None, "unread", "crucible run"),
        ({"truncated_bytes": 10_000}, None, "cut", "crucible reconcile"),
        ({"truncated_bytes": 10_000}, b"another record", "cut", "crucible reconcile"),
        ({"topic": "postgres.Gone", "partition": 9}, None, "counted", ""),
    ],
)
def test_letters_that_may_not_be_taken(
    site: World, given: dict[str, Any], found: bytes | None, outcome: str, says: str
) -> None:
    """Each is left, with what to do; nothing of them is counted."""
    passed = {(TOPIC, 0): Passed(0, 100, 90), (TOPIC, 3): Passed(0, 100, 1)}
    with running(site, passed=passed, value_at=lambda _: found) as run:
        (tried,) = run.replayer.replay([letter(1, **given)])

    assert (tried.outcome.value, says in tried.message) == (outcome, True)
    assert total(site) == (outcome == "counted")


def test_a_letter_that_was_cut_is_taken_whole_from_its_topic(site: World) -> None:
    whole = letter(1).value or b""
    with running(site, value_at=lambda _: whole) as run:
        (tried,) = run.replayer.replay([letter(1, raw=whole[:40], truncated_bytes=len(whole))])

    assert (tried.outcome, total(site)) == (LetterOutcome.COUNTED, 1)


def test_a_change_of_an_earlier_history_is_left_to_a_comparison(site: World) -> None:
    """Its position may lie beyond newer ones, and the change may have gone with what was restored."""
    with running(site) as run:
        first = history.accepted(run.session)[-1]
    later = history.History(2, first.identity, datetime.now(UTC))
    states = MemoryStates()
    with running(site, states, history=later) as run:
        (tried,) = run.replayer.replay([letter(1)])

    assert (tried.outcome, "crucible reconcile" in tried.message) == (LetterOutcome.OTHER_HISTORY, True)
    assert (total(site), states.calls) == (0, [])


@pytest.mark.parametrize("place", ["replay.shown", "replay.decided", "replay.written", "replay.noting"])
def test_who_dies_in_it_is_finished_by_the_next(site: World, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    scythe = Scythe(monkeypatch, replaying, decided_replays)
    some = [letter(number) for number in (1, 2, 3)]
    with running(site) as run:
        scythe.run(lambda: run.replayer.replay(some) and None, 1, place)
    assert scythe.killed.total() == 1
    with running(site) as other:
        account = other.take(some, DeadLetterFilter())

        assert replay.open_tables(other.session) == []
    assert (total(site), account.left.total(), account.outcomes.total()) == (3, 0, 3)


def both(world: World) -> None:
    """Two runs that have both understood everything before either has decided anything."""
    some = [letter(number) for number in range(1, 21)]
    with running(world) as one, running(world) as other, ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(run.replayer.replay, some) for run in (one, other)]:
            done.result(60)


def test_two_runs_at_once_count_once(site: World) -> None:
    both(site)

    assert total(site) == 20


def blind(patch: pytest.MonkeyPatch) -> None:
    """Have runs see neither what others have decided nor what is counted."""
    patch.setattr(replay, "decided", lambda *_: set())
    patch.setattr(PlannedInsert, "_present", lambda *_: set())
    patch.setattr(PlannedInsert, "_restore", lambda *_: False)
    patch.setattr(PlannedInsert, "_complete_views", lambda *_: None)


def test_runs_that_see_nothing_of_each_other_count_once(site: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same changes are sent under the same token."""
    with monkeypatch.context() as patch:
        blind(patch)
        both(site)

    assert total(site) == 20


def test_with_tokens_by_chance_they_count_twice(site: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    numbers = iter(range(1_000))
    with monkeypatch.context() as patch:
        blind(patch)
        patch.setattr(replaying, "token_of", lambda _: f"replay/by-chance/{next(numbers)}")
        both(site)

    assert total(site) == 40


def test_a_repair_gives_way_to_a_replay_that_was_killed(site: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be counted on top of it; the command that carries it out is named."""
    contest_id = site.crucible()
    site.enter(contest_id, 1)
    event = change(Operation.CREATE, after=entry(id=1, crucible_id=contest_id, user_id=2), lsn=10_001)
    scythe = Scythe(monkeypatch, replaying, decided_replays)
    with running(site) as run:
        scythe.run(lambda: run.replayer.replay([letter(1, event)]) and None, 1, "replay.decided")
    with mending(site) as mender:
        with pytest.raises(StreamStandsError, match="crucible dlq replay --table CrucibleEntry"):
            mender.mend()
        with running(site) as run:
            run.replayer.replay([letter(1, event)])

        assert (mender.mend(), mender.found(), total(site)) == ({}, [], 1)


def stream_meets(world: World, sink: Callable[[Any], Any]) -> int:
    """Have the stream bring a change that a replay has decided and not written, then finish the replay."""
    with running(world) as run:
        decoded = run.replayer._decoder.decode(letter(1), letter(1).value)
        run.replayer._decided("CrucibleEntry", [decoded])
        rows = MetricRows(decoded.rows)
        stream = sink(PlannedInsert(CHANGES, ClickHouseLink(world.client), queries()))
        present = stream.present([rows])
        run.replayer.finish_open("CrucibleEntry")
        missing = MetricRows(row for row in rows if row[9] not in present)
        plain = PlannedInsert(CHANGES, ClickHouseLink(world.client), queries())
        plain.write(Plan("t", 0, 0, 5), missing, present=set())
        plain.close()
        stream.close()
    return total(world)


def test_a_change_that_the_stream_brings_meanwhile_is_counted_once(site: World) -> None:
    def guarded(sink: Any) -> AfterRepairs:
        return AfterRepairs(sink, site.session)

    assert stream_meets(site, guarded) == 1


def test_without_looking_for_announcements_it_is_counted_twice(site: World) -> None:
    """The control."""
    assert stream_meets(site, lambda sink: sink) == 2


def needing(session: Session, times: int, last: int) -> None:
    place = "postgres.CrucibleEntry[0]@{} 2025-10-09T08:53:20Z"
    reconcile_needed.note(
        session, "CrucibleEntry", NeedReason.DEAD_LETTER, Extent(place.format(1), place.format(last), times)
    )


@pytest.mark.parametrize(
    ("wanted", "low", "times", "last", "settled"),
    [
        ({}, 0, 3, 3, True),
        ({"letter": "0@1"}, 0, 3, 3, False),  # others are left
        ({}, 1, 3, 3, False),  # one has expired
        ({}, 0, 4, 3, False),  # more was refused than there are letters
        ({}, 0, 3, 4, False),  # the last one is not among them
    ],
)
def test_a_table_is_settled_once_all_its_letters_are_done(
    site: World, wanted: dict[str, str], low: int, times: int, last: int, *, settled: bool
) -> None:
    with running(site) as run:
        needing(run.session, times, last)
        before = reconcile_needed.needs(run.session)
        account = run.take([letter(number) for number in (1, 2, 3)], DeadLetterFilter(**wanted))
        (stands,) = settle(run.session, "T", before, account.left, {0: low})
        left = [one.reason for one in reconcile_needed.needs(run.session)]
        (of_another,) = settle(run.session, "T", before, account.left, {0: low})  # two runs at once read the same needs

    assert (stands.settled, left) == (settled, [] if settled else ["dead_letter"])
    assert of_another.settled == settled
    assert settled or "crucible reconcile --table CrucibleEntry --fix" in stands.why


def test_what_is_refused_meanwhile_keeps_the_need(site: World) -> None:
    with running(site) as run:
        needing(run.session, 3, 3)
        before = reconcile_needed.needs(run.session)
        account = run.take([letter(number) for number in (1, 2, 3)], DeadLetterFilter())
        needing(run.session, 1, 9)
        (stands,) = settle(run.session, "T", before, account.left, {0: 0})

    assert (stands.settled, "run this again" in stands.why) == (False, True)


def test_a_truncate_and_a_snapshot_leave_their_needs(site: World) -> None:
    """They are done, and only a comparison can tell what they moved."""
    emptied = change(Operation.TRUNCATE, table="CrucibleEntry", lsn=50)
    with running(site) as run:
        (tried,) = run.replayer.replay([letter(1, emptied)])
        needs = [(one.source_table, one.reason) for one in reconcile_needed.needs(run.session)]

    assert (tried.outcome, needs) == (LetterOutcome.APPLIED, [("CrucibleEntry", "truncate")])


@contextmanager
def comparing_rows(world: World) -> Iterator[tuple[RowComparison, list[int]]]:
    with world.session() as session:
        insert = PlannedInsert(REPAIRS, ClickHouseLink(world.client), queries())
        passed, compared = list[int](), list[int]()
        stores = Stores(session, ClickHouseReads(world.client, queries()), insert, passed.append, lambda _: None)
        yield RowComparison(stores, "a test", compared.extend), compared
        insert.close()
    assert passed  # the stream was waited for


def half(number: int, op: str) -> StoredDeadLetter:
    """A letter of a table without REPLICA IDENTITY FULL: the row before is not in it."""
    rows = '"before":{"id":%d},"after":null' if op == "d" else '"before":null,"after":{"id":%d}'
    source = '"source":{"table":"CrucibleEntry","lsn":9,"ts_ms":1760000000000}'
    return letter(number, raw=f'{{"op":"{op}",{rows % number},{source}}}'.encode())


def test_rows_of_letters_that_can_never_be_used_are_compared(site: World) -> None:
    """A deleted one is counted back, one that moved counts where it is; their crucibles are compared in Redis."""
    first, other = site.crucible(), site.crucible()
    site.enter(first, 5)
    site.count()
    site.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 2')
    site.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = 3', (other,))
    some = [half(2, "d"), half(3, "u"), half(4, "u"), half(9, "d"), letter(77, raw=b"{")]
    tables = {"CrucibleEntry": ENTRIES}
    with running(site) as run:
        refused = outcomes(run.replayer.replay(some))
    with (
        comparing_rows(site) as (rows, compared),
        running(site, settled=lambda table, keys: rows.settled(tables[table], keys)) as run,
    ):
        settled = run.replayer.replay(some)
        again = run.take(some, DeadLetterFilter())

    assert refused == dict.fromkeys((2, 3, 4, 9, 77), "refused")
    assert outcomes(settled) == {**dict.fromkeys((2, 3, 4, 9), "compared"), 77: "refused"}
    assert again.left == {"CrucibleEntry": 1}
    assert (total(site), sorted(compared)) == (4, [first, other])


def test_a_letters_row_that_looks_right_by_what_is_on_its_way_is_put_right(site: World) -> None:
    """Its creation was refused, it has just been deleted, and the deletion comes when it was looked at once."""
    contest = site.crucible()
    site.enter(contest, 3)
    site.count("id <> 2")
    site.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 2')
    what = ("Crucible", contest, 3, "Entry"), ("User", 3, 3, "crucibleEntryCount")
    coming, waits = [(*one, -1, 2, 60_000, index) for index, one in enumerate(what)], list[int]()

    def stream_goes_on(lsn: int) -> None:
        stores.await_passed(lsn)
        waits.append(lsn)
        if len(waits) == 2:
            site.events(coming)
            coming.clear()

    with comparing_rows(site) as (rows, _):
        stores, rows._stores = rows._stores, replace(rows._stores, await_passed=stream_goes_on)
        settled = rows.settled(ENTRIES, [2])
        site.events(coming or [("Crucible", contest, 1, "Entry", 0, 1, 60_001, 0)])  # what has not come comes now

        assert (settled, total(site)) == ({2}, 2)
