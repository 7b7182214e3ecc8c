"""Metrics and log lines of the comparisons by turns."""

import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import structlog

from watcher.model.errors import WatcherError
from watcher.postgres.own.reconcile_turn import TurnStatus
from watcher.reconcile.rows.differences import DifferenceKind
from watcher.telemetry.metrics.reconcile import ReconcileMetrics
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)


class DriftReport:
    """Turns what is found into metrics and logs.

    Args:
        metrics: the process' metrics.
        tables: names of the tables that are compared; each begins without drift.
        others: what else is compared, and in which ways it may differ; the same.
    """

    def __init__(
        self,
        metrics: ReconcileMetrics,
        tables: Iterable[str],
        others: Mapping[str, Iterable[str]] = MappingProxyType({}),
    ) -> None:
        self._metrics = metrics
        self._shown = {(table, kind.value): 0 for table in tables for kind in DifferenceKind}
        for table, kind in self._shown:
            metrics.reconcile_mended_rows.labels(kind, table)
        self._shown |= {(place, str(kind)): 0 for place, kinds in others.items() for kind in kinds}
        for place, kind in self._shown:
            metrics.drift_rows.labels(kind, place)

    def standing(self, found: Mapping[str, Mapping[str, int]], turns: TurnStatus) -> None:
        """Show what differs, and when a part was last compared; log what is new of it."""
        now = dict.fromkeys(self._shown, 0)
        now |= {(table, kind): rows for table, kinds in found.items() for kind, rows in kinds.items()}
        for (table, kind), rows in now.items():
            self._metrics.drift_rows.labels(kind, table).set(rows)
            before = self._shown.get((table, kind), 0)
            if rows > before:
                log.error("drift.found", table=table, kind=kind, rows=rows, next="crucible reconcile --fix")
            elif before and not rows:
                log.info("drift.gone", table=table, kind=kind)
        self._shown = now
        if turns.age_seconds is not None:
            self._metrics.reconcile_last_run_timestamp.set(time.time() - turns.age_seconds)

    def mended(self, table: str, kinds: Mapping[str, int]) -> None:
        """Count and log what was put right."""
        for kind, rows in kinds.items():
            self._metrics.reconcile_mended_rows.labels(kind, table).inc(rows)
        if kinds:
            log.warning("drift.mended", table=table, **kinds)

    def failed(self, error: WatcherError, table: str = "") -> None:
        """Count and log that a turn, or its part of a table, failed."""
        self._metrics.reconcile_errors.inc()
        log.warning(event_of(error), neighbour="reconcile", table=table or None, error=str(error))
