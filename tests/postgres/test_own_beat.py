"""The beat and the end of the log, on a real PostgreSQL."""

import psycopg
import pytest
from psycopg import sql

from watcher.migrations.postgres.migrate import ensure
from watcher.model.beat import Beat
from watcher.model.errors import HistoryChangedError
from watcher.model.extent import Extent
from watcher.model.farthest import Farthest
from watcher.postgres.own import beat, drift, history, published, reconcile_needed, repair
from watcher.postgres.own.journal import PostgresJournalStore
from watcher.postgres.session import open_session

LONG_AGO = "UPDATE {schema}.beat SET written = written - 60000"


def test_watchers_take_turns_to_write_and_numbers_have_no_gaps(session):
    """One of several writes a beat, and nobody another one until it is due."""
    first, second = beat.write(session), beat.write(session)
    assert first is not None
    assert (first.number, second) == (1, None)

    session.run(LONG_AGO)
    third = beat.write(session)
    assert third is not None
    assert third.number == 2
    assert beat.standing(session).beat == third


def test_a_clock_that_is_set_back_makes_no_beat_earlier_than_another(session):
    """Whether a beat is later than another is told by its time."""
    beat.write(session)
    session.run("UPDATE {schema}.beat SET written = written + 3600000")
    ahead = beat.standing(session).beat
    written = beat.write(session)

    assert ahead is not None
    assert written is not None
    assert written.written == ahead.written + 1


def farthest(session, lsn, number=0):
    """What came in the present history, from there."""
    now = int(history.accepted(session)[-1].accepted.timestamp() * 1000) + 1000
    return Farthest(lsn, now, Beat(number, now, 1) if number else None)


def test_a_log_that_ends_below_what_came_of_it_stops_until_it_is_accepted(dsn, schema, session):
    """System and timeline are the same; every start stops, whatever it knows, and the tables are to be compared."""
    history.check(session)
    store = PostgresJournalStore(dsn, schema, "g", 5.0)
    end = beat.standing(session).end_of_log
    assert store.save({}, {}, farthest(session, end)).beat is not None
    ahead = farthest(session, end + (1 << 30))

    with pytest.raises(HistoryChangedError, match=r"set back in place.*`crucible connector delete --offsets --yes`.*"):
        store.save({}, {}, ahead)
    with pytest.raises(HistoryChangedError, match=r"`crucible history accept`.*then `crucible reconcile --fix`"):
        store.load()
    assert history.accept(session, ["Crucible"]).number == 2
    assert store.load()[0] == 2
    (need,) = reconcile_needed.needs(session)
    assert (need.source_table, need.reason) == ("Crucible", "set_back")
    assert "seen up to LSN" in need.found.first


def test_a_log_that_has_grown_again_tells_by_its_beats(dsn, schema, session):
    """There are fewer in PostgreSQL than came."""
    history.check(session)
    store = PostgresJournalStore(dsn, schema, "g", 5.0)
    store.save({}, {}, Farthest())
    assert store.save({}, {}, farthest(session, 1, number=1)).beat is not None

    with pytest.raises(HistoryChangedError, match="set back in place"):
        store.save({}, {}, farthest(session, 1, number=7))


def test_what_came_before_a_history_was_accepted_says_nothing_of_it(dsn, schema, session):
    """Records of before wait in Kafka, and what came last is kept in Redis: neither stops the watcher again."""
    history.check(session)
    far = 1 << 50
    before = Farthest(far, 1_000, Beat(7, 1_000, far))

    assert PostgresJournalStore(dsn, schema, "g", 5.0).save({}, {}, before).beat is not None


@pytest.fixture
def looks(own_database, schema):
    """How PostgreSQL is told something, and what the next look then finds: unpublished tables, and republished ones."""
    administrator, dsn = own_database
    ensure(dsn, schema)
    store = PostgresJournalStore(dsn, schema, "g", 5.0, ("public.Crucible", "public.CrucibleEntry", "public.Nothing"))
    store.load()
    own = sql.Identifier(schema, "beat").as_string(None)
    with psycopg.connect(administrator, autocommit=True) as server:

        def look(*statements):
            for statement in statements:
                server.execute(statement.replace("BEAT", own).encode())
            found = store.save({}, {}, Farthest())
            return found.unpublished, found.republished

        yield look


PUBLISH = 'CREATE PUBLICATION with_beats FOR TABLE BEAT, public."Crucible", public."CrucibleEntry"'
TAKE_OUT = 'ALTER PUBLICATION with_beats DROP TABLE public."CrucibleEntry"'
PUT_IN = 'ALTER PUBLICATION with_beats ADD TABLE public."CrucibleEntry"'


def test_a_watched_table_that_is_not_published_beside_the_beat_is_named(looks):
    """While nothing is published, beats tell; a table that is not there is nobody's fault."""
    assert looks() == ((), ())
    assert looks(PUBLISH) == ((), ())
    assert looks(TAKE_OUT) == (("CrucibleEntry",), ())
    assert looks() == (("CrucibleEntry",), ())
    assert looks(PUT_IN) == ((), ("CrucibleEntry",))
    assert looks() == ((), ())


def test_what_happened_to_a_publication_between_two_looks_is_seen(looks):
    """A beat may have come before and the next one after; where a table is added, nothing of the others is missing."""
    assert looks(PUBLISH) == ((), ())
    assert looks('ALTER PUBLICATION with_beats ADD TABLE public."User"') == ((), ())
    assert looks(TAKE_OUT, PUT_IN) == ((), ("CrucibleEntry",))
    both = ("Crucible", "CrucibleEntry")
    assert looks("DROP PUBLICATION with_beats", PUBLISH) == ((), both)
    assert looks("ALTER PUBLICATION with_beats SET (publish = 'insert, update, delete')") == ((), both), "no truncate"
    assert looks() == ((), ())


FILTER = 'ALTER PUBLICATION with_beats SET TABLE BEAT, public."Crucible", public."CrucibleEntry" WHERE ("userId" > 7)'
WHOLE = FILTER.partition(" WHERE")[0]


def test_a_table_that_is_published_in_part_is_named_as_if_it_were_not(looks):
    """What is left out is lost for as long as that is so, and not only when it began: beats come all the while."""
    both = ("Crucible", "CrucibleEntry")
    assert looks(PUBLISH) == ((), ())
    for kinds in ("insert, update", "insert, delete", "update, delete", "insert"):
        assert looks(f"ALTER PUBLICATION with_beats SET (publish = '{kinds}')") == (both, ()), kinds
        assert looks() == (both, ())
    assert looks("ALTER PUBLICATION with_beats SET (publish = 'insert, update, delete, truncate')") == ((), both)
    assert looks(FILTER) == (("CrucibleEntry",), ())
    assert looks() == (("CrucibleEntry",), ())
    assert looks(WHOLE)[0] == ()
    assert looks() == ((), ())


def test_a_run_that_mends_looks_first_and_leaves_the_next_look_nothing(looks, own_database, schema):
    """What a look tells that comes later, it would be as if it had happened after the comparison."""
    watched = ("public.Crucible", "public.CrucibleEntry")
    looks(PUBLISH)
    with open_session(own_database[1], schema) as session:
        began = repair.clock(session)
        assert looks(TAKE_OUT, PUT_IN) == ((), ("CrucibleEntry",))
        reconcile_needed.note(session, "CrucibleEntry", "cut_off")  # as the watcher does that has looked
        assert repair.mended(session, "CrucibleEntry", began, "ann@site") == [], "the control: it stays all the same"

        with psycopg.connect(own_database[0], autocommit=True) as server:
            server.execute(TAKE_OUT.encode())
            server.execute(PUT_IN.encode())
        noted = published.note_gaps(session, watched)
        began = repair.clock(session)

        assert noted == ("CrucibleEntry",)
        assert looks() == ((), ())
        assert repair.mended(session, "CrucibleEntry", began, "ann@site") == ["cut_off"]


def test_a_hole_that_a_comparison_has_met_is_no_need(session):
    """Whether its last beat comes while that is under way, or afterwards; one that reaches beyond it is one."""

    def noted(**where):
        reconcile_needed.note(session, "Crucible", "cut_off", Extent("beat 1", "beat 9", 7, **where))
        return [one.source_table for one in reconcile_needed.needs(session)]

    def run(seen_to, **found):
        now = repair.clock(session)
        drift.note_run(session, drift.ComparisonRun("command", "ann@site", now, ("Crucible",), found, seen_to=seen_to))
        repair.met(session, [] if found else ["Crucible"], seen_to, "ann@site")
        return [one.source_table for one in reconcile_needed.needs(session)]

    assert noted(reaches=5_000) == ["Crucible"]
    assert run(4_999) == ["Crucible"]
    assert run(5_000) == []
    assert noted(reaches=5_000) == []
    assert noted(reaches=5_001) == ["Crucible"]
    assert run(9_000, Crucible={"missing": 1}) == ["Crucible"], "it has found something"
    assert run(9_000) == []
    assert noted() == ["Crucible"], "nobody knows when that was"
    assert noted(reaches=8_000) == ["Crucible"]
    assert run(9_000) == ["Crucible"]


def test_a_run_that_mends_writes_a_beat_whenever_the_last_one_was(session):
    """So that a hole before it ends before it."""
    first = beat.write(session)
    assert beat.write(session) is None
    second = beat.write(session, every_seconds=-1.0)

    assert (first.number, second.number) == (1, 2)
    assert second.written > first.written
