"""What is told of Debezium's connectors and their replication slots."""

from typing import Final

from watcher.telemetry.metrics.catalogue import OPEN, Catalogue

CONNECTOR_STATES: Final = ("running", "failed", "paused", "restarting", "unassigned")
"""The states of a connector's tasks, in Kafka Connect's words."""


class ConnectorMetrics:
    """Metrics of Debezium's connectors and their replication slots."""

    def __init__(self, declare: Catalogue) -> None:
        self.slot_active = declare.gauge(
            "slot_active", "1 while somebody streams from the replication slot: a connector whose task runs.",
            slot=OPEN,
        )  # fmt: skip
        self.slot_retained = declare.gauge(
            "slot_retained_bytes",
            "Bytes of PostgreSQL's log that are held until the slot's reader has them.",
            slot=OPEN,
        )
        self.events_begun_anew = declare.gauge(
            "events_begun_anew_timestamp_seconds",
            "When the slot of events for others was found gone, or another in its place; 0: never, or it was seen to.",
        )
        self.connector_tasks = declare.gauge(
            "connector_tasks",
            "Tasks of the connector in this state; a connector that has failed itself counts among the failed ones.",
            connector=OPEN,
            state=CONNECTOR_STATES,
        )
        self.connector_restarts = declare.counter(
            "connector_task_restarts", "Restarts of what had failed that the watcher asked for.", connector=OPEN
        )
        self.connector_given_up = declare.gauge(
            "connector_given_up",
            "1 while what has failed is not started once more, because it was too often within the hour.",
            connector=OPEN,
        )
