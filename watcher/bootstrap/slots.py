"""Looks at the connectors' slots: who streams, and how much of PostgreSQL's log is held for them."""

from typing import Final

from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import event_slot
from watcher.postgres.own.event_slot import EVENT_SLOT
from watcher.postgres.own.slots import slots
from watcher.runtime.worker import Signal, Task
from watcher.telemetry.metrics.connector import ConnectorMetrics

LOOK_SECONDS: Final = 15.0
"""Seconds between two looks. Longer: an alert comes later; shorter: more questions."""


class LookAtSlots(Task):
    """Tells of the slots in metrics. One that was there and is gone counts as one that nobody streams from.

    Args:
        session: to PostgreSQL; others may ask on it too.
        metrics: of the process.
    """

    def __init__(self, session: KeptSession, metrics: ConnectorMetrics) -> None:
        self.signal = Signal()
        self._session, self._metrics = session, metrics
        self._seen: set[str] = set()

    def turn(self) -> float:
        """Look once, and return the seconds until the next look.

        Raises:
            TemporaryError: PostgreSQL is away or refuses.
        """
        with self._session.kept() as session:
            found = slots(session)
            events = event_slot.look(session, EVENT_SLOT)
        anew = events.begun_anew or events.gone_since if events is not None else None
        self._metrics.events_begun_anew.set(anew.timestamp() if anew is not None else 0)
        for slot in found:
            self._metrics.slot_active.labels(slot.name).set(slot.active)
            self._metrics.slot_retained.labels(slot.name).set(slot.retained_bytes)
        names = {slot.name for slot in found}
        for gone in self._seen - names:
            self._metrics.slot_active.labels(gone).set(0)
            self._metrics.slot_retained.labels(gone).set(0)
        self._seen |= names
        return LOOK_SECONDS

    def end(self) -> None:
        """Close the connection, which others open again if they ask on it."""
        self._session.drop()
