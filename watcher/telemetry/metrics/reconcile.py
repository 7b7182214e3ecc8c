"""What comparisons of rows with counts tell of themselves."""

from watcher.telemetry.metrics.catalogue import OPEN, Catalogue


class ReconcileMetrics:
    """What comparisons of rows with counts tell of themselves."""

    def __init__(self, declare: Catalogue) -> None:
        self.drift_rows = declare.gauge(
            "drift_rows",
            "Rows whose counts are not what they count for, as last compared by turns or by `crucible reconcile`; and "
            "what differs of votes, of Redis and of views, each in the place of a table.",
            kind=OPEN,
            table=OPEN,
        )
        self.reconcile_last_run_timestamp = declare.gauge(
            "reconcile_last_run_timestamp_seconds",
            "When a part of the rows was last compared by turns, by whichever process, Unix time; 0 where that is off.",
        )
        self.reconcile_errors = declare.counter(
            "reconcile_errors", "Turns of the comparison, or their part of a table, that failed; they are made again."
        )
        self.reconcile_mended_rows = declare.counter(
            "reconcile_mended_rows",
            "Rows that turns have put right (`reconcile.auto_fix`): what was counted of them, or what Redis shows.",
            kind=OPEN,
            table=OPEN,
        )
