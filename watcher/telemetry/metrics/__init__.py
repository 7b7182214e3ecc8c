"""Every metric of the daemon, by domain: the catalogue, the dashboards and the tests read this and nothing else.

Conservation: summed over a table, ``consumed = applied + ignored + dead letters + in flight``. A record that is in none
of the four on the right would be a silent loss, so alert on the difference staying above zero.

Ages are never exported: a timestamp stays right when the process hangs, ``time() - x`` belongs in the rule.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from watcher.telemetry.metrics.api import ApiMetrics
from watcher.telemetry.metrics.catalogue import UNKNOWN, Catalogue
from watcher.telemetry.metrics.changes import ChangeMetrics
from watcher.telemetry.metrics.connector import ConnectorMetrics
from watcher.telemetry.metrics.entries import EntryMetrics
from watcher.telemetry.metrics.outbox import OutboxMetrics
from watcher.telemetry.metrics.process import ProcessMetrics
from watcher.telemetry.metrics.reconcile import ReconcileMetrics
from watcher.telemetry.metrics.settlement import SettlementMetrics
from watcher.telemetry.metrics.visibility import VisibilityMetrics
from watcher.telemetry.metrics.votes import VoteMetrics


class Metrics:
    """The metrics of a process on a registry of their own, one attribute a domain.

    Args:
        registry: where to register; a fresh one per process, so that two in one do not meet.
        tables: source tables with handlers. Their label sets start at 0, so that ``rate()`` sees the first event.
        librdkafka: version of the Kafka client library, for ``crucible_build_info``.
    """

    def __init__(self, registry: CollectorRegistry, tables: Iterable[str] = (), librdkafka: str = UNKNOWN) -> None:
        self.registry = registry
        declare = Catalogue(registry)
        self.changes = ChangeMetrics(declare, tuple(sorted(tables)))
        self.reconcile = ReconcileMetrics(declare)
        self.visibility = VisibilityMetrics(declare)
        self.entries = EntryMetrics(declare)
        self.outbox = OutboxMetrics(declare)
        self.settlement = SettlementMetrics(declare)
        self.votes = VoteMetrics(declare)
        self.api = ApiMetrics(declare)
        self.connector = ConnectorMetrics(declare)
        self.process = ProcessMetrics(declare, librdkafka)
        self.catalogue = declare.described
