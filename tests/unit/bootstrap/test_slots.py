"""Slots that connectors stream from: who reads, how much of the log is held, and one that is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from watcher.bootstrap.slots import LookAtSlots
from watcher.model.errors import TemporaryError
from watcher.postgres.faults import PostgresRefusedError
from watcher.telemetry.metrics import Metrics


class Site:
    """PostgreSQL with the slots that it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bool, int]] = []
        self.refuses = False

    @contextmanager
    def open(self) -> Iterator[Any]:
        if self.refuses:
            raise PostgresRefusedError("postgres: permission denied")
        yield self

    def read(self, _: str) -> list[tuple[str, bool, int]]:
        return self.rows


def told(registry: CollectorRegistry) -> list[float | None]:
    labels = {"slot": "crucible"}
    return [registry.get_sample_value(f"crucible_slot_{name}", labels) for name in ("active", "retained_bytes")]


def test_each_look_tells_how_the_slots_are() -> None:
    """Nothing before there is one; and one that is gone is read by nobody, so that its alert does not end with it."""
    registry, site = CollectorRegistry(), Site()
    look = LookAtSlots(site.open, Metrics(registry).connector)
    found = []
    for rows in ([], [("crucible", True, 5)], [("crucible", False, 900)], []):
        site.rows = rows
        look.turn()
        found.append(told(registry))

    assert found == [[None, None], [1, 5], [0, 900], [0, 0]]


def test_a_postgres_that_refuses_ends_nothing() -> None:
    """The look is made again."""
    site = Site()
    site.refuses = True
    with pytest.raises(TemporaryError):
        LookAtSlots(site.open, Metrics(CollectorRegistry()).connector).turn()
