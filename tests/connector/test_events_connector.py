"""What other services are told, read from the real connector by a client that knows nothing of the watcher."""

import json
import subprocess
import sys
from array import array
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

import debezium
from tests import site_database
from tests.awaiting import await_that
from tests.connector.site import Site
from watcher.admin.doctor.postgres.slot import event_slot
from watcher.events.forget import ForgetEvents
from watcher.migrations.postgres.migrate import ensure
from watcher.model.crucible_events import (
    CrucibleEvent,
    EntryAdmitted,
    EntryRejected,
    EntryWithdrawn,
    EventType,
    fee_refunded,
    frozen,
    of_outcome,
    prize_paid,
)
from watcher.model.settlement import CrucibleOutcome, FinalStandings, OutcomeKind, Proof, Refunded
from watcher.postgres.own import crucible_event
from watcher.postgres.session import Session, open_session

pytestmark = pytest.mark.usefixtures("parts")
PROJECT = Path(__file__).resolve().parents[2]
_CHANGES = """SELECT chr(get_byte(data, 0)) FROM pg_logical_slot_get_binary_changes(
    'of_a_test', NULL, NULL, 'proto_version', '1', 'publication_names', 'crucible_events'
)"""
"""Kinds of what a slot carries of the publication: I, D, and what surrounds them."""
AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
ABOUT = {"crucible_id": 42, "entry_id": 1, "user_id": 2, "image_id": 3}


def outcome(name: str, kind: OutcomeKind = OutcomeKind.ENDED, entries: int = 1_001) -> CrucibleOutcome:
    """How a crucible has ended, with more places than one event tells of."""
    ids = array("l", range(1, entries + 1))
    return CrucibleOutcome(
        crucible_id=42, name=name, creator_id=7, kind=kind, entries=entries, pool=100, paid=50, remainder=50,
        standings=FinalStandings(ids, ids, ids, {1: 50}), refunds=(Refunded(2, 1, 100),), frozen_at=AT,
        proof=Proof("ab", 5),
    )  # fmt: skip


class Told:
    """A site whose events are carried to Kafka, its writer and its reader."""

    def __init__(self, site: Site, crucible: Callable[..., Any]) -> None:
        self.site, self._crucible = site, crucible
        dsn = site_database.as_role(site.dsn, site_database.WATCHER_ROLE)
        ensure(dsn, "crucible_watcher")
        with site.database() as database:
            database.execute(debezium.EVENTS_PREPARATION.read_bytes())
            database.execute(
                sql.SQL("ALTER TABLE crucible_watcher.crucible_event ALTER COLUMN source SET DEFAULT {}").format(
                    f"/{site.name}"
                )
            )
        self.open: Callable[[], Any] = partial(open_session, dsn, "crucible_watcher")

    def apply(self) -> None:
        """Apply the shipped connector; returns once it streams."""
        overlay = [*self.site.overlay, "--set", "status.update.interval.ms=500"]  # 10 s, and nobody waits for it here
        done = self._crucible("connector", "apply", "-f", "debezium/events.json", *overlay)
        assert done.returncode == 0, done.stderr
        self.site.await_streaming()

    def forget(self) -> None:
        """Remove the connector, its slot, and how far it has read."""
        done = self._crucible(
            "connector", "delete", "-f", str(debezium.EVENTS), "--name", self.site.name, "--offsets", "--yes"
        )
        assert done.returncode == 0, done.stderr
        self.site.close()

    def write(self, *told: CrucibleEvent) -> None:
        """Write events in one transaction."""
        session: Session
        with self.open() as session, session.together():
            crucible_event.write(session, told)

    def write_and_fail(self, *told: CrucibleEvent) -> None:
        """Write events in a transaction that comes to nothing."""
        with self.open() as session, session.together():
            crucible_event.write(session, told)
            raise ZeroDivisionError

    def end(self) -> None:
        """Write the one that the reader waits for, about the same crucible: there is no order between crucibles."""
        self.write(*of_outcome(outcome(f"{self.site.name} end", OutcomeKind.CANCELLED), "watcher"))

    def read(self) -> list[dict[str, Any]]:
        """What the foreign client has read when the end has come."""
        at = str(self.site.parts.endpoints.bootstrap_servers)
        client = Path(__file__).with_name("foreign_client.py")
        command = [sys.executable, "-I", str(client), at, str(PROJECT / "docs" / "events.schema.json"), self.site.name]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def told(site: Site, crucible: Callable[..., Any]) -> Told:
    """A site whose events are carried to Kafka."""
    told = Told(site, crucible)
    told.apply()
    return told


def test_every_type_is_read_by_a_client_that_knows_nothing_of_us(told: Told) -> None:
    """In order for a crucible, by the frozen schema, as CloudEvents; one that was rolled back is not there."""
    written = [
        CrucibleEvent(EntryAdmitted(**ABOUT, fee=100)),
        CrucibleEvent(EntryRejected(**ABOUT, reasons=("unpaid",), enforced=True)),
        CrucibleEvent(EntryWithdrawn(**ABOUT)),
        frozen(42, AT),
        *of_outcome(outcome('Dämmerung ☀ "früh"'), "external"),
        prize_paid(crucible_id=42, entry_id=1, user_id=1, amount=50),
        fee_refunded(crucible_id=42, entry_id=None, user_id=7, amount=1000, prefix="setup-"),
    ]
    told.write(*written)
    with pytest.raises(ZeroDivisionError):
        told.write_and_fail(*written)
    told.end()

    read = told.read()

    mine = read[:-1]
    assert [one["ce_type"] for one in mine] == [one.type.value for one in written]
    assert {one["ce_type"] for one in read} == {kind.value for kind in EventType}
    assert len({one["partition"] for one in mine}) == 1
    assert len({one["ce_id"] for one in read}) == len(read)
    assert [one["ce_subject"] for one in mine] == [one.subject for one in written]
    (settled,) = (one["body"] for one in mine if one["ce_type"] == "crucible.settled")
    assert (settled["name"], settled["payouts"], len(settled["standings"])) == ('Dämmerung ☀ "früh"', "external", 1_000)
    assert settled["prizes"] == [
        {"entryId": 1, "userId": 1, "position": 1, "amount": 50, "payoutId": "crucible-prize-42-1"}
    ]


def test_what_is_forgotten_is_no_event(told: Told) -> None:
    """Old rows are deleted, even all at once, and nobody hears of it; the connector goes on."""
    told.write(frozen(42, AT))
    with told.site.database() as database:
        database.execute("UPDATE crucible_watcher.crucible_event SET time = now() - interval '8 days'")
        ForgetEvents(told.open, keep_days=7).turn()
        assert database.execute("SELECT count(*) FROM crucible_watcher.crucible_event").fetchone() == (0,)
        database.execute("TRUNCATE crucible_watcher.crucible_event")
    told.end()

    assert [one["ce_type"] for one in told.read()] == ["crucible.frozen", "crucible.cancelled"]
    with told.site.worker() as worker:
        status = worker.status(told.site.name)
    assert status is not None
    assert status.runs


def test_the_slot_moves_on_while_nothing_happens(told: Told) -> None:
    """Otherwise a quiet table would hold the whole database's log; the doctor sees who streams.

    A worker that starts again then finds the slot ahead of the place that it stored with the last event, and goes on.
    """
    with told.site.database() as database:
        database.execute("CREATE TABLE busy AS SELECT n FROM generate_series(1, 10000) n")
        (now,) = database.execute("SELECT pg_current_wal_lsn()").fetchone() or ()

        def has_moved() -> bool:
            found = database.execute(
                "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = %s", (now, told.site.name)
            )
            return found.fetchone() == (True,)

        await_that(has_moved, "the slot of the events is past what others wrote", 60)
    with told.open() as session:
        (streams,), (nobody,) = event_slot(session, told.site.name), event_slot(session, "crucible_no_such")
    assert (streams.level.value, nobody.level.value) == ("ok", "ok")
    assert "streams" in streams.found
    assert "there is no slot" in nobody.found
    worker = told.site.parts.connect
    worker.kill()
    told.write(prize_paid(crucible_id=77, entry_id=7, user_id=1, amount=50))
    worker.start()
    worker.await_ready()
    told.end()
    assert [one["body"]["entryId"] for one in told.read()[:-1]] == [7]


def test_a_connector_that_starts_anew_sends_what_is_kept_under_the_same_ids(told: Told) -> None:
    """After a lost slot nothing is missing, and repeats are known by their ids."""
    told.write(frozen(42, AT), prize_paid(crucible_id=42, entry_id=1, user_id=1, amount=50))
    told.forget()
    told.write(fee_refunded(crucible_id=42, entry_id=1, user_id=2, amount=100, prefix="p-"))
    told.apply()
    told.end()

    read = told.read()

    by_id = {one["ce_id"]: one["ce_type"] for one in read}
    assert sorted(by_id.values()) == ["crucible.cancelled", "crucible.frozen", "fee.refunded", "prize.paid"]
    assert len(read) > len(by_id)


def test_a_worker_that_is_killed_loses_no_event_and_doubles_none(told: Told) -> None:
    """With transactions of the worker, as it ships, and a client that reads what is committed."""
    worker = told.site.parts.connect
    for entry in range(1, 301):
        told.write(prize_paid(crucible_id=42, entry_id=entry, user_id=1, amount=50))
        if entry == 150:
            worker.kill()
    worker.start()
    worker.await_ready()
    told.end()

    read = told.read()

    assert [one["body"]["entryId"] for one in read[:-1]] == list(range(1, 301))


def test_published_whole_a_deletion_reaches_the_connector(told: Told) -> None:
    """The control: it is the publication that keeps deletions out; without it the slot carries each of them."""
    with told.site.database() as database:
        database.execute("SELECT pg_create_logical_replication_slot('of_a_test', 'pgoutput')")
        told.write(frozen(42, AT))
        seen = {}
        for publish in ("insert", "insert, update, delete, truncate"):
            database.execute(f"ALTER PUBLICATION crucible_events SET (publish = '{publish}')")
            told.write(frozen(42, AT))
            database.execute("DELETE FROM crucible_watcher.crucible_event")
            rows = database.execute(_CHANGES).fetchall()
            seen[publish] = {kind for (kind,) in rows}
        database.execute("SELECT pg_drop_replication_slot('of_a_test')")

    assert "I" in seen["insert"]
    assert "D" not in seen["insert"]
    assert "D" in seen["insert, update, delete, truncate"]
