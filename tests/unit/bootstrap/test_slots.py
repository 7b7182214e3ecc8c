"""Slots that connectors stream from: who reads, how much of the log is held, and one that is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from watcher.bootstrap.slots import LookAtSlots
from watcher.model.errors import TemporaryError
from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.kept_session import KeptSession
from watcher.telemetry.metrics import Metrics


class Site:
    """PostgreSQL with the slots that it is given."""

    is_open = True

    def __init__(self) -> None:
        self.rows: list[tuple[str, bool, int]] = []
        self.events: list[tuple[datetime | None, datetime | None]] = []
        self.refuses = False

    @contextmanager
    def open(self) -> Iterator[Any]:
        if self.refuses:
            raise PostgresRefusedError("postgres: permission denied")
        yield self

    def run(self, _: str, *__: object) -> None:
        """Note nothing: what is noted of the slot of events has tests of its own, with a real one."""

    def read(self, _: str, *of_one: object) -> list[tuple[Any, ...]]:
        """All slots, or what has become of the one of events."""
        return self.events if of_one else list(self.rows)


def told(registry: CollectorRegistry) -> list[float | None]:
    labels = {"slot": "crucible"}
    return [registry.get_sample_value(f"crucible_slot_{name}", labels) for name in ("active", "retained_bytes")]


def test_each_look_tells_how_the_slots_are() -> None:
    """Nothing before there is one; and one that is gone is read by nobody, so that its alert does not end with it."""
    registry, site = CollectorRegistry(), Site()
    look = LookAtSlots(KeptSession(site.open), Metrics(registry).connector)
    found = []
    for rows in ([], [("crucible", True, 5)], [("crucible", False, 900)], []):
        site.rows = rows
        look.turn()
        found.append(told(registry))

    assert found == [[None, None], [1, 5], [0, 900], [0, 0]]


def test_a_slot_of_events_that_is_gone_or_another_one_is_told() -> None:
    """Since when; and no more once somebody has seen to it."""
    registry, site = CollectorRegistry(), Site()
    look = LookAtSlots(KeptSession(site.open), Metrics(registry).connector)
    found = []
    for events in ([], [(None, None)], [(at(7), None)], [(None, at(9))], []):
        site.events = events  # type: ignore[assignment]
        look.turn()
        found.append(registry.get_sample_value("crucible_events_begun_anew_timestamp_seconds"))

    assert found == [0, 0, 7, 9, 0]


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_a_postgres_that_refuses_ends_nothing() -> None:
    """The look is made again."""
    site = Site()
    site.refuses = True
    with pytest.raises(TemporaryError):
        LookAtSlots(KeptSession(site.open), Metrics(CollectorRegistry()).connector).turn()
