"""The watcher's own tables come by numbered migrations, over a schema that has them already too."""

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import pytest

from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres.own_schema import own_tables
from watcher.migrations.ledger import LOST, MigrationError, MigrationState
from watcher.migrations.postgres import migrate
from watcher.migrations.postgres.dropped import dropped, make_anew
from watcher.migrations.postgres.statements import made_tables
from watcher.model.errors import TemporaryError
from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.own import marker
from watcher.postgres.session import open_session
from watcher.sql_files import Migration

NEXT = Migration(len(migrate.migrations()) + 1, "next", "CREATE TABLE {schema}.next (id integer); -- why")


def columns(dsn: str, schema: str) -> list[tuple[object, ...]]:
    """What the schema has, the record of its migrations aside."""
    with open_session(dsn, schema) as session:
        return session.read(
            "SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name <> 'migration' ORDER BY table_name, ordinal_position",
            schema,
        )


def test_a_new_schema_gets_all_and_the_second_time_nothing(dsn: str, schema: str) -> None:
    """Applied in order, recorded with their checksum, and then left alone."""
    with open_session(dsn, schema) as session:
        before = {one.state for one in migrate.status(session)}
        first, second = migrate.up(session), migrate.up(session)
        after = migrate.status(session)

    known = migrate.migrations()
    assert before == {MigrationState.PENDING}
    assert [(one.version, one.name, one.checksum) for one in first] == [
        (one.version, one.name, one.checksum) for one in known
    ]
    assert second == []
    assert {one.state for one in after} == {MigrationState.APPLIED}
    assert [one.applied_at for one in after] == [one.applied_at for one in first]


def test_many_at_once_apply_each_once(dsn: str, schema: str) -> None:
    """Replicas start together; CREATE IF NOT EXISTS alone fails then with a duplicate key."""
    with ThreadPoolExecutor(8) as pool:
        done = [one for applied in pool.map(lambda _: migrate.ensure(dsn, schema), range(16)) for one in applied]

    assert [one.version for one in done] == [one.version for one in migrate.migrations()]


def test_a_schema_of_before_is_taken_over(dsn: str, schema: str) -> None:
    """One whose tables were made without a record keeps what is in them, and ends as a new one does."""
    tables = files("watcher.migrations.postgres").joinpath("0001_own_tables.sql").read_text()
    with open_session(dsn, schema) as session:
        with session.together():
            session.run(tables)
        marker.remember(session, "g", "t", 0, "id")
        of_before = columns(dsn, schema)

        assert migrate.status(session)[0].state is MigrationState.PENDING
        assert [one.version for one in migrate.up(session)] == [one.version for one in migrate.migrations()]
        assert marker.load(session, "g") == {("t", 0): "id"}
    assert set(of_before) <= set(columns(dsn, schema))


def test_a_file_that_was_changed_is_refused_by_name(dsn: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a start as by the command; nothing is done before."""
    migrate.ensure(dsn, schema)
    known = migrate.migrations()
    changed = Migration(1, known[0].name, known[0].text + "\n")
    monkeypatch.setattr(migrate, "migrations", lambda: (changed, *known[1:], NEXT))

    with pytest.raises(MigrationError, match="postgres: migration 0001_own_tables was applied with other content"):
        migrate.ensure(dsn, schema)
    with open_session(dsn, schema) as session:
        assert [one.state for one in migrate.status(session)] == [
            MigrationState.CHANGED, *[MigrationState.APPLIED] * (len(known) - 1), MigrationState.PENDING,
        ]  # fmt: skip
    assert ("next",) not in {row[:1] for row in columns(dsn, schema)}


def test_a_new_table_is_a_new_file(dsn: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is new is applied; an older program sees that there is more than it knows, and goes on."""
    migrate.ensure(dsn, schema)
    older = migrate.migrations()
    with monkeypatch.context() as newer:
        newer.setattr(migrate, "migrations", lambda: (*older, NEXT))
        assert [str(one) for one in migrate.ensure(dsn, schema)] == [str(NEXT)]
        assert migrate.script(schema, [NEXT]).splitlines() == [
            f"-- postgres {NEXT}",
            f'CREATE TABLE "{schema}".next (id integer); -- why',
        ]

    with open_session(dsn, schema) as session:
        assert migrate.up(session) == []
        assert migrate.status(session)[-1].state is MigrationState.UNKNOWN
    assert ("next", "id") in {row[:2] for row in columns(dsn, schema)}


def test_what_fails_leaves_nothing_of_all_that_were_pending(
    dsn: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole run is one transaction, the record included."""
    broken = Migration(NEXT.version + 1, "broken", "CREATE TABLE {schema}.half (id integer); SELECT pg_sleep(5);")
    monkeypatch.setattr(migrate, "migrations", lambda: (NEXT, broken))
    with open_session(dsn, schema, timeout=1.0) as session:
        with pytest.raises(TemporaryError, match="statement timeout"):
            migrate.up(session)

        assert {one.state for one in migrate.status(session)} == {MigrationState.PENDING}
    assert columns(dsn, schema) == []


def shape(dsn: str, schema: str) -> list[tuple[object, ...]]:
    """Columns, indexes, constraints and rows that a table begins with, of all tables."""
    with open_session(dsn, schema) as session:
        indexes = session.read(
            "SELECT tablename::text, indexdef FROM pg_indexes WHERE schemaname = %s ORDER BY 1, 2", schema
        )
        constraints = session.read(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = %s::regnamespace ORDER BY 1, 2",
            schema,
        )
        identities = session.read(
            "SELECT relname::text, relreplident::text FROM pg_class WHERE relnamespace = %s::regnamespace "
            "AND relkind = 'r' ORDER BY 1",
            schema,
        )
        turns = session.read(
            "SELECT count(*) FROM {schema}.reconcile_turn UNION ALL SELECT count(*) FROM {schema}.beat"
        )
    return [*columns(dsn, schema), *indexes, *constraints, *identities, *turns]


def test_what_was_dropped_is_told_and_comes_back_as_it_was(dsn: str, schema: str) -> None:
    """Its migration was recorded, so neither a start nor ``migrate up`` makes it; the advice is what does."""
    migrate.ensure(dsn, schema)
    whole = shape(dsn, schema)
    with open_session(dsn, schema) as session:
        marker.remember(session, "g", "t", 0, "id")
        tables = made_tables(migrate.migrations())
        lost = [one for one in tables if one != "marker"]
        session.run("DROP TABLE {schema}.outbox")
        with pytest.raises(PostgresRefusedError, match="`crucible migrate status`"):
            session.read("SELECT 1 FROM {schema}.outbox")
        for table in lost:
            session.run(f"DROP TABLE IF EXISTS {{schema}}.{table} CASCADE")
        told = next(iter(own_tables(session)))

        assert migrate.up(session) == []
        assert (told.level, told.advice) == (Level.FAIL, LOST)
        assert told.found == f"{schema} lacks {', '.join(lost)}, which migrations made"
        assert make_anew(session) == lost
        assert dropped(session) == make_anew(session) == []
        assert marker.load(session, "g") == {("t", 0): "id"}
    assert shape(dsn, schema) == whole


@pytest.mark.parametrize("lost", ["DROP TABLE {schema}.migration", "DELETE FROM {schema}.migration WHERE version > 9"])
def test_tables_without_a_record_are_left_alone(dsn: str, schema: str, lost: str) -> None:
    """Applied again, migrations would stumble over a table, or change one twice: the record has to come back."""
    migrate.ensure(dsn, schema)
    with open_session(dsn, schema) as session:
        session.run("CREATE TABLE {schema}.backup AS SELECT * FROM {schema}.migration")
        session.run(lost)
        told = next(iter(own_tables(session)))

        assert (told.level, "no record of the migrations" in told.found) == (Level.FAIL, True)
        assert f"restore {schema}.migration" in told.advice
        with pytest.raises(MigrationError, match="no record of the migrations that made them"):
            migrate.up(session)
        assert make_anew(session) == []
        session.run("DROP TABLE IF EXISTS {schema}.migration")
        session.run("ALTER TABLE {schema}.backup RENAME TO migration")
        assert migrate.up(session) == []
        assert next(iter(own_tables(session))).level is Level.OK


def test_the_doctor_says_how_the_schema_stands(dsn: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tables, behind, as it should be, and changed: each with what to do."""
    known = migrate.migrations()

    def told() -> tuple[Level, str, str]:
        with open_session(dsn, schema) as session:
            finding = next(iter(own_tables(session)))
        assert finding.name == "postgres.schema"
        return finding.level, finding.found, finding.advice

    before = told()
    migrate.ensure(dsn, schema)
    good = told()
    monkeypatch.setattr(migrate, "migrations", lambda: (*known, NEXT))
    behind = told()
    monkeypatch.setattr(migrate, "migrations", lambda: (Migration(1, known[0].name, "changed"), *known[1:]))
    changed = told()

    assert before[:2] == (Level.WARN, f"{schema} has no tables")
    assert good == (Level.OK, f"{schema}, {len(known)} migrations applied", "")
    assert behind[:2] == (Level.WARN, f"1 migration pending: {NEXT}")
    assert "`crucible migrate up`" in behind[2]
    assert changed[:2] == (Level.FAIL, f"{known[0]} is changed")
