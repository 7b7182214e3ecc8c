"""What is counted of the entries that judges may see."""

from typing import Final

from watcher.model.visibility import Hidden
from watcher.telemetry.metrics.catalogue import FLUSH_BUCKETS, Catalogue

ADMISSIONS: Final = ("admitted", "moved", "removed", "refused")
HIDDEN: Final = ("", *(reason.value for reason in Hidden))


class VisibilityMetrics:
    """Metrics of the entries that judges may see."""

    def __init__(self, declare: Catalogue) -> None:
        self.admissions = declare.counter(
            "admissions",
            "Entries that judges may see from now on, under another level, or no more; and new ones refused.",
            outcome=ADMISSIONS,
            reason=HIDDEN,
        )
        self.admission_sweep_duration = declare.histogram(
            "admission_sweep_duration_seconds", "One look at every entry that takes part.", FLUSH_BUCKETS
        )
        self.admission_last_sweep_timestamp = declare.gauge(
            "admission_last_sweep_timestamp_seconds", "When this process last looked at every entry, Unix time."
        )
