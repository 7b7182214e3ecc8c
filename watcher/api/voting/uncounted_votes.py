"""What users send that counts no vote: repeats, and votes that are refused. Bounded in each process for itself.

Whoever lost the answer to a vote asks again and gets it, whatever else was sent: the first repeat of each vote is free.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from watcher.api.http.leaky_buckets import LeakyBuckets
from watcher.api.http.problem import ProblemError
from watcher.model.vote import Vote

UNCOUNTED_PER_VOTE: Final = 5
"""How many votes may count nothing for each one that a user may cast. Fewer: a bad line, on which answers get lost over
and over, is held up."""
MIN_UNCOUNTED_PER_MINUTE: Final = 300
"""However few votes a user may cast, so many may count nothing in a minute."""
WINDOW_SECONDS: Final = 60.0
"""Seconds in which that flows back."""
REMEMBERED_VOTES: Final = 25_000
"""The last votes of which it is known that they were not repeated yet, at least so many. A client that lost an answer
asks again within seconds; fewer, and it may be refused if its user has sent too much that counts nothing."""


class UncountedVotes:
    """The bound of what counts no vote.

    Args:
        votes_per_minute: of a user; 0: no bound.
        clock: monotonic seconds.
    """

    def __init__(self, votes_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = max(MIN_UNCOUNTED_PER_MINUTE, UNCOUNTED_PER_VOTE * votes_per_minute)
        self._buckets = LeakyBuckets(self._most, WINDOW_SECONDS, clock) if votes_per_minute else None
        self._unrepeated: set[Vote] = set()
        self._unrepeated_before: set[Vote] = set()

    def wait_seconds(self, user_id: int) -> float:
        """Return the seconds until the user may send something else than a first repeat; 0: now."""
        return 0.0 if self._buckets is None else self._buckets.wait_seconds(user_id)

    def is_unrepeated(self, vote: Vote) -> bool:
        """Return whether a vote counted and was not repeated yet, as far as this process knows."""
        return vote in self._unrepeated or vote in self._unrepeated_before

    def problem(self, wait_seconds: float) -> ProblemError:
        """Return the problem of a user who has sent too much that counts nothing."""
        return ProblemError("rate_limited", f"{self._most} repeats and refusals a minute", math.ceil(wait_seconds))

    def counted(self, vote: Vote) -> None:
        """Note a vote that counted."""
        self._unrepeated.add(vote)
        if len(self._unrepeated) >= REMEMBERED_VOTES:
            self._unrepeated, self._unrepeated_before = self._unrepeated_before, self._unrepeated
            self._unrepeated.clear()

    def repeated(self, vote: Vote) -> None:
        """Note a repeat, which is free at first."""
        if self.is_unrepeated(vote):
            self._unrepeated.discard(vote)
            self._unrepeated_before.discard(vote)
        else:
            self.refused(vote.user_id)

    def refused(self, user_id: int) -> None:
        """Note what came to nothing; who has nothing left is not made to wait for longer."""
        if self._buckets is not None and not self._buckets.wait_seconds(user_id):
            self._buckets.charge(user_id)
