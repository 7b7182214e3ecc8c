"""Which rows of a table are compared, where not all are; pure."""

from datetime import datetime

import msgspec


class Choice(msgspec.Struct, frozen=True):
    """Which rows to compare: those of one crucible, those that are new since a time, or those that are both."""

    crucible: int | None = None
    """The crucible's own row, and the rows that count for it, or of which something was counted for it."""
    since: datetime | None = None
    """Rows that were made or changed from then on, as far as they say so, or of which something was counted from then
    on. With a time zone."""

    def __bool__(self) -> bool:
        return self.crucible is not None or self.since is not None
