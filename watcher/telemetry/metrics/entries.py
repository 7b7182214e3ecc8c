"""What is counted of verdicts on entries."""

from typing import Final

from watcher.model.entry_verdict import EntryReason, VerdictState
from watcher.telemetry.metrics.catalogue import Catalogue

ENTRY_VERDICTS: Final = tuple(state.value for state in VerdictState)
ENTRY_REASONS: Final = tuple(reason.value for reason in EntryReason)


class EntryMetrics:
    """Metrics of verdicts on entries."""

    def __init__(self, declare: Catalogue) -> None:
        self.entry_verdicts = declare.counter(
            "entry_verdicts", "Verdicts on entries that are another than before.", verdict=ENTRY_VERDICTS
        )
        self.entry_rejections = declare.counter(
            "entry_rejections", "Reasons of entries that were rejected; one may have several.", reason=ENTRY_REASONS
        )
        self.entries_waiting = declare.gauge("entries_waiting", "Entries that wait for a scan or a fee.")
        self.entries_waiting_since_timestamp = declare.gauge(
            "entries_waiting_since_timestamp_seconds",
            "Since when the oldest entry waits that does, Unix time; now if none does.",
        )
        self.entry_errors = declare.counter("entry_errors", "Looks at entries that failed and are made again.")
