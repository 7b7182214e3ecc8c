"""What is known of the slot of events for other services, whose stream has no beats that would tell of a hole.

Its connector goes on in silence when the slot is dropped and made anew: what was written in between, and had not been
sent, comes from nobody's stream. The rows are kept for a while, and a connector that forgets its place sends them
again.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

EVENT_SLOT: Final = "crucible_events"
"""The slot of ``debezium/events.json``."""
EVENTS_ANEW: Final = (
    "`crucible connector delete -f debezium/events.json --offsets`, then `crucible connector apply -f "
    "debezium/events.json`, which sends all that is kept (events.keep_days) under the same ids"
)
"""What to do about events that were passed over."""
_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "event_slot.sql")


@dataclass(frozen=True, slots=True)
class EventSlotStanding:
    """What has become of a slot that was seen."""

    gone_since: datetime | None
    """Since when it is not there; None: it is."""
    begun_anew: datetime | None
    """When another one was found in its place; None: never."""


def look(session: Session, name: str) -> EventSlotStanding | None:
    """Look at the slot and note how it is; return what has become of it, None if none was ever seen."""
    session.run(_STATEMENTS["look"], {"name": name})
    return standing(session, name)


def standing(session: Session, name: str) -> EventSlotStanding | None:
    """Return what has become of the slot, as last noted; None if none was ever seen."""
    rows = session.read(_STATEMENTS["standing"], name)
    return EventSlotStanding(*rows[0]) if rows else None


def forget(session: Session, name: str) -> None:
    """Note that a connector begins anew by somebody's will, or none is wanted any more."""
    session.run(_STATEMENTS["forget"], name)


def doubt(session: Session) -> None:
    """Note that the connector of events may pass over some, where there is one: PostgreSQL has another history."""
    session.run(_STATEMENTS["doubt"], EVENT_SLOT)
