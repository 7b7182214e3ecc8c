"""What writing a plan came to, of changes and of votes alike."""

from enum import StrEnum


class PlanOutcome(StrEnum):
    """What writing a plan came to: the label of counters."""

    WRITTEN = "written"
    REPEATED = "repeated"
    """Every row was there already, of other plans."""
    RECOVERED = "recovered"
    """Somebody may have tried before; the rows are there now, once."""
    HEALED = "healed"
    """ClickHouse remembered the token but had lost the rows; they were brought in without firing a view."""
