"""The slot of events for others: one that was dropped is missed, and another one in its place is told from it."""

from collections.abc import Iterator
from datetime import datetime

import psycopg
import pytest

from stack import Stack
from tests.awaiting import await_that
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres.slot import event_slot as looked_at
from watcher.postgres.own import event_slot, history
from watcher.postgres.session import Session

SLOT = "crucible_events_of_a_test"
READ = """SELECT count(*) FROM pg_logical_slot_get_binary_changes(
    %s, NULL, NULL, 'proto_version', '1', 'publication_names', 'of_a_test'
)"""
COUNTED = "SELECT total_bytes > 0 FROM pg_stat_replication_slots WHERE slot_name = %s"


@pytest.fixture
def administrator(postgres: Stack) -> Iterator[psycopg.Connection]:
    """The database's owner, with the slot; both are gone after the test."""
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as connection:
        connection.execute("CREATE PUBLICATION of_a_test")
        make(connection)
        yield connection
        connection.execute("DROP PUBLICATION of_a_test")
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
        )


def make(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])


def drop(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])


def read(connection: psycopg.Connection) -> None:
    """Have somebody write, and the slot carry it."""
    connection.execute("CREATE TABLE of_a_test (n integer); INSERT INTO of_a_test VALUES (1); DROP TABLE of_a_test")
    connection.execute(READ, [SLOT])
    await_that(
        lambda: connection.execute(COUNTED, [SLOT]).fetchone() == (True,), "PostgreSQL has counted what it carried", 30
    )


def begun_anew(session: Session) -> datetime | None:
    found = event_slot.look(session, SLOT)
    assert found is not None
    return found.begun_anew


def findings(session: Session) -> dict[str, Level]:
    return {one.name: one.level for one in looked_at(session, SLOT)}


def test_a_slot_that_is_gone_is_missed(administrator: psycopg.Connection, session: Session) -> None:
    """Until another one is there, which is told; whoever sends everything again has seen to it."""
    assert begun_anew(session) is None
    drop(administrator)
    gone = event_slot.look(session, SLOT)
    missed = findings(session)
    make(administrator)
    since = begun_anew(session)

    assert gone is not None
    assert gone.gone_since is not None
    assert missed == {"postgres.event_slot": Level.FAIL}
    assert since is not None
    assert findings(session)["postgres.event_slot.begun_anew"] is Level.WARN
    event_slot.forget(session, SLOT)
    assert begun_anew(session) is None
    assert "postgres.event_slot.begun_anew" not in findings(session)


def test_one_that_was_made_anew_between_two_looks_is_told(administrator: psycopg.Connection, session: Session) -> None:
    """PostgreSQL counts what it decodes for a slot, and begins at nothing for another one."""
    read(administrator)
    assert begun_anew(session) is None
    drop(administrator)
    make(administrator)

    assert begun_anew(session) is not None


def test_one_that_only_carries_more_is_the_same(administrator: psycopg.Connection, session: Session) -> None:
    """The control: neither what it carries makes it another one, nor that it is counted anew."""
    assert begun_anew(session) is None
    read(administrator)
    assert begun_anew(session) is None
    administrator.execute("SELECT pg_stat_reset_replication_slot(%s)", [SLOT])
    assert begun_anew(session) is None


def accept_another_history(session: Session) -> None:
    """Have PostgreSQL be another one than was accepted last, and accept it."""
    session.run("UPDATE {schema}.history SET timeline = timeline + 100")
    assert history.accept(session).number == 2


def test_another_history_is_told_of_the_slot(administrator: psycopg.Connection, session: Session) -> None:
    """Its connector keeps a place in the log that is no more; the first history, or the same again, changes nothing."""
    event_slot.look(session, SLOT)
    history.accept(session)
    history.accept(session)
    assert begun_anew(session) is None
    accept_another_history(session)

    assert begun_anew(session) is not None
    assert findings(session)["postgres.event_slot.begun_anew"] is Level.WARN


def test_another_history_is_told_of_a_slot_that_nobody_has_looked_at(
    administrator: psycopg.Connection, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watcher stops for another history before it looks at any slot."""
    monkeypatch.setattr(event_slot, "EVENT_SLOT", SLOT)
    history.accept(session)
    accept_another_history(session)

    assert findings(session)["postgres.event_slot.begun_anew"] is Level.WARN


def test_another_history_where_there_is_no_slot_tells_of_none(session: Session) -> None:
    """The control."""
    history.accept(session)
    accept_another_history(session)

    assert [one.level for one in looked_at(session, SLOT)] == [Level.OK]


def test_where_there_never_was_one_nothing_is_told(session: Session) -> None:
    """Events stay in their table, and that is as somebody wants it."""
    assert event_slot.look(session, "crucible_events_of_nobody") is None
    assert [one.level for one in looked_at(session, "crucible_events_of_nobody")] == [Level.OK]
