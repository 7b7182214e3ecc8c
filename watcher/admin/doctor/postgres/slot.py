"""The replication slot: somebody streams from it, and the heartbeat moves it on."""

from collections.abc import Iterator
from typing import Final

import msgspec

from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.admin.doctor.postgres.names import HEARTBEAT, PREPARE, SourceNames
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.own import event_slot as own_event_slot
from watcher.postgres.own.event_slot import EVENTS_ANEW
from watcher.postgres.session import Session

SLOT_GONE: Final = "postgres.slot.gone"
"""What this fault is called where it explains others: a slot that is there, without a reader, explains none."""
READERS: Final = ("connect.tasks", "connect", "postgres.debezium_rights")
"""Faults with which nobody streams; a connector without its right counts as running while it tries again."""
GIBIBYTE: Final = 1024**3
ANEW: Final = (
    "`crucible connector delete --offsets`, then `crucible connector apply`, which makes a slot and reads the tables "
    "anew; what changed meanwhile is in no stream, so compare with PostgreSQL afterwards"
)
"""What to do when a slot and the log that it held are gone: a connector that still has its place does not start."""
MAX_RETAINED_BYTES: Final = GIBIBYTE
"""Bytes of log held for the slot from which on it is worth a look; a busy site writes that in minutes, not in hours."""
MAX_BEAT_AGE_SECONDS: Final = 60.0
"""Seconds without a heartbeat until it is late: six times the connector's interval."""

EVENTS: Final = "postgres.event_slot"
"""The finding about the slot of events for other services, which has a connector of its own."""


def slot(session: Session, names: SourceNames) -> Iterator[Finding]:
    """Find whether somebody streams, and the log held back for that is not running away."""
    name = "postgres.slot"
    rows = session.read(STATEMENTS["slot"], names.slot)
    if not rows:
        advice = f"before its first start `crucible connector apply`, else {ANEW}"
        yield fail(name, f"there is no slot {names.slot}", advice, fault=SLOT_GONE)
        return
    finding = _standing(name, names.slot, *rows[0])
    if rows[0][1] == "lost":
        yield msgspec.structs.replace(finding, fault=SLOT_GONE)
    else:
        yield msgspec.structs.replace(finding, because=() if rows[0][0] else READERS)


def event_slot(session: Session, slot_name: str) -> Iterator[Finding]:
    """Find whether events for other services are carried to Kafka, where somebody wants them."""
    rows = session.read(STATEMENTS["slot"], slot_name)
    known = None
    if session.read(STATEMENTS["table_exists"], f"{session.schema}.event_slot") == [(True,)]:
        known = own_event_slot.standing(session, slot_name)
    if known is not None and known.begun_anew is not None:
        found = f"{slot_name} is another one, or in another log, since {known.begun_anew:%Y-%m-%d %H:%M}"
        yield warn(f"{EVENTS}.begun_anew", f"{found}: events that were not sent before are in no stream", EVENTS_ANEW)
    if not rows:
        if known is None:
            yield ok(EVENTS, f"there is no slot {slot_name}: events for other services stay here (docs/events.md)")
        else:
            found = f"the slot {slot_name} is gone: its connector makes another one and says nothing of what it misses"
            yield fail(EVENTS, found, f"{EVENTS_ANEW}; the first of the two alone where no events are wanted any more")
        return
    finding = _standing(EVENTS, slot_name, *rows[0])
    yield msgspec.structs.replace(finding, because=() if rows[0][0] else ("connect",))


def _standing(name: str, slot_name: str, active: bool, status: str | None, retained: int | None) -> Finding:
    held = f"{(retained or 0) / GIBIBYTE:.2f} GiB of log held"
    if status in {"lost", "unreserved"}:
        if status == "lost":
            advice = f"SELECT pg_drop_replication_slot('{slot_name}'), then {ANEW}"
            return fail(name, f"{slot_name}: lost, {held}", advice)
        advice = "the log that it needs is about to go: get the connector to read now, or raise max_slot_wal_keep_size"
        return fail(name, f"{slot_name}: {status}, {held}", advice)
    if not active:
        of_events = " -f debezium/events.json" if name == EVENTS else ""
        advice = f"see `crucible connector status{of_events}`; the disk fills meanwhile"
        return fail(name, f"{slot_name}: nobody streams, {held}", advice)
    if (retained or 0) > MAX_RETAINED_BYTES:
        return warn(name, f"{slot_name}: streams, {held}", "the connector lags: see its tasks and Kafka's load")
    return ok(name, f"{slot_name}: streams, {held}")


def heartbeat(session: Session) -> Iterator[Finding]:
    """Find whether the heartbeat is written: it moves the slot on while the tables are quiet."""
    name = "postgres.heartbeat"
    if session.read(STATEMENTS["table_exists"], HEARTBEAT) == [(False,)]:
        yield fail(name, f"there is no table {HEARTBEAT}", PREPARE)
        return
    ((age,),) = session.read(STATEMENTS["heartbeat_age"])
    if age is None:
        advice = "start the connector; its role needs INSERT and UPDATE on the table"
        yield fail(name, "never written", advice, because=READERS)
    else:
        yield judged(
            name,
            age < MAX_BEAT_AGE_SECONDS,
            f"{age:.0f} s ago",
            "see `crucible connector status` and heartbeat.action.query",
            because=(*READERS, SLOT_GONE),
        )
