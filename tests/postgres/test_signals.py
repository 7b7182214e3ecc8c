"""Signals for the connector: who may write them, and what the doctor says where nobody can."""

from collections.abc import Iterator

import psycopg
import pytest

from tests import site_database
from watcher.admin.connector.signalled import SIGNALS, signalling_fault
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.signals import signals
from watcher.postgres import signals as written
from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.session import Session

NAMES = SourceNames((), "crucible", "crucible")
HEARD = {
    "signal.data.collection": SIGNALS,
    "notification.enabled.channels": "sink",
    "notification.sink.topic.name": "told",
}


@pytest.fixture
def administrator(session: Session, postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as connection:
        yield connection
        for preparation in site_database.debezium.PREPARATION:
            connection.execute(preparation.read_bytes())
        connection.execute(f"TRUNCATE {SIGNALS}")


def test_the_watchers_role_writes_signals_and_nothing_else(administrator, session):
    """It cannot read what others have written, nor take it away; the same command is given once."""
    for _ in range(2):
        written.execute_snapshot(session, "first", "public.CrucibleEntry")
    written.stop_snapshot(session, "second", "public.CrucibleEntry")
    for statement in (f"SELECT * FROM {SIGNALS}", f"DELETE FROM {SIGNALS}", f"UPDATE {SIGNALS} SET data = ''"):  # noqa: S608
        with pytest.raises(PostgresRefusedError, match="permission denied"):
            session.run(statement)

    assert administrator.execute(f"SELECT id, type, data::json FROM {SIGNALS} ORDER BY id").fetchall() == [  # noqa: S608
        ("first", "execute-snapshot", {"data-collections": ["public.CrucibleEntry"], "type": "incremental"}),
        ("second", "stop-snapshot", {"data-collections": ["public.CrucibleEntry"], "type": "incremental"}),
    ]


@pytest.mark.parametrize(
    ("breaking", "found", "advice"),
    [
        (f"REVOKE INSERT ON {SIGNALS} FROM crucible_watcher", "lacks INSERT on TABLE", "watcher.sql"),
        (f"ALTER PUBLICATION crucible DROP TABLE {SIGNALS}", "the connector hears of no signal", "replication.sql"),
        (f"DROP TABLE {SIGNALS}", "there is no table", "replication.sql"),
    ],
)
def test_the_doctor_says_where_no_signal_can_be_given(administrator, session, breaking, found, advice):
    """It is a warning, since counting needs none; what it advises puts it right."""
    (before,) = signals(session, NAMES)
    administrator.execute(breaking)
    (finding,) = signals(session, NAMES)
    for preparation in site_database.debezium.PREPARATION:
        administrator.execute(preparation.read_bytes())
    (after,) = signals(session, NAMES)

    assert [one.level for one in (before, finding, after)] == [Level.OK, Level.WARN, Level.OK]
    assert found in finding.found
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"signal.enabled.channels": "kafka, source"}, None),
        ({"signal.data.collection": "public.signals"}, "signal.data.collection is public.signals"),
        ({"signal.enabled.channels": "kafka"}, "signal.enabled.channels is kafka"),
        ({"notification.enabled.channels": "log"}, "names no sink"),
        ({"notification.sink.topic.name": ""}, "names no sink"),
    ],
)
def test_a_connector_that_hears_no_signal_or_says_nothing_is_named(changed, fault):
    found = signalling_fault(HEARD | changed)

    assert (found or "").startswith(fault or "") if fault != "names no sink" else fault in found
    assert (found is None) == (fault is None)
