"""Sizes and times of the loop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The values that the loop needs of the settings; ``config`` has their units and reasons."""

    group: str
    flush_interval: float
    max_rows: int
    max_pending_rows: int
    poll_records: int
    poll_timeout: float
    lease: float
