"""How many votes ClickHouse has, by their rows: what Redis has counted more was lost there."""

import time
from collections.abc import Callable, Sequence

from watcher.clickhouse.vote_history import VoteHistory
from watcher.recovery.vote_gaps import EXPIRING_SECONDS


class KeptVotes:
    """Counts votes by their rows; of crucibles that are older than rows are kept, by the view that outlives them.

    Args:
        history: ClickHouse.
        now: seconds since 1970.
    """

    def __init__(self, history: VoteHistory, now: Callable[[], float] = time.time) -> None:
        self._history, self._now = history, now

    @property
    def kept_since(self) -> int:
        """Return from when on rows are surely kept, in seconds since 1970."""
        return int(self._now()) - EXPIRING_SECONDS

    def counted(self, crucible_ids: Sequence[int]) -> dict[int, int]:
        """Return how many numbered votes there are, by crucible that has any.

        Raises:
            TemporaryError: ClickHouse is away.
        """
        return self._history.rows_counted(crucible_ids, self.kept_since)
