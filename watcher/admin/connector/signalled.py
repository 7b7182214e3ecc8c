"""Finds whether a connector reads the signals that are written to its table, and tells what becomes of them."""

from collections.abc import Mapping
from typing import Final

SIGNALS: Final = "crucible_debezium.signal"
"""Table that commands for the connector are written to; debezium/postgres/replication.sql makes it."""
TABLE: Final = "signal.data.collection"
SOURCE: Final = "source"
"""Debezium's name for signals that come by a table; on unless others are named alone."""
TOPIC: Final = "notification.sink.topic.name"


def signalling_fault(config: Mapping[str, str]) -> str | None:
    """Return which setting of a connector keeps `crucible backfill --by-connector` from working; None: none does.

    >>> signalling_fault({"signal.data.collection": "public.commands"})
    'signal.data.collection is public.commands, expected crucible_debezium.signal'
    """
    named = config.get(TABLE)
    if named != SIGNALS:
        return f"{TABLE} is {named or 'not set'}, expected {SIGNALS}"
    heard = _listed(config.get("signal.enabled.channels", SOURCE))
    if SOURCE not in heard:
        return f"signal.enabled.channels is {', '.join(heard)}, expected {SOURCE} among them"
    if "sink" not in _listed(config.get("notification.enabled.channels", "")) or not config.get(TOPIC):
        return f"notification.enabled.channels names no sink with a topic in {TOPIC}"
    return None


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
