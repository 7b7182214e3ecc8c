"""Debezium's notifications about a snapshot that it makes beside the stream."""

from collections.abc import Mapping
from typing import Final

import msgspec

INCREMENTAL: Final = "Incremental Snapshot"
"""Debezium's name for what these are about."""


class Notification(msgspec.Struct, frozen=True):
    """One of Debezium's notifications."""

    id: str
    """Of the signal that it answers."""
    type: str
    aggregate_type: str
    more: Mapping[str, str]
