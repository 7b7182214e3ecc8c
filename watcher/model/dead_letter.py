"""Dead letters, and the limit above which they are no fault of the records."""

from collections import deque
from collections.abc import Iterable

import msgspec

from watcher.model.change import Position
from watcher.model.errors import DeadLetterLimitError, RecordError
from watcher.model.words import counted


class DeadLetter(msgspec.Struct, frozen=True):
    """A refused record, byte for byte as it came, with where and why."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int
    error: RecordError
    table: str
    """Source table where known, else the empty string."""


class DeadLetterLimit:
    """Stops the consumer when a bad deploy would drain the topic into the dead letters.

    Args:
        consecutive: dead letters in a row, without one good record between them, that are still believed.
            Smaller: a burst of one client's bad rows stops everybody. Larger: a bad deploy parks more before it stops.
        share: highest share of dead letters among the last ``window`` records, between 0 and 1.
        window: records over which the share is taken; no share is taken before there are that many.

    >>> limit = DeadLetterLimit(consecutive=2, share=1.0, window=100)
    >>> limit.record(good=0, dead=2); limit.record(good=1, dead=2)
    >>> limit.record(good=0, dead=1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    watcher.model.errors.DeadLetterLimitError: 3 dead letters in a row, the limit is 2: ...
    """

    def __init__(self, consecutive: int, share: float, window: int) -> None:
        self._consecutive, self._share, self._window = consecutive, share, window
        self._row = 0
        self._recent: deque[tuple[int, int]] = deque()
        self._seen = self._dead = 0

    def allow(self, runs: Iterable[tuple[int, int]]) -> tuple[int, DeadLetterLimitError | None]:
        """Count runs of good records followed by dead ones.

        Returns:
            how many of the dead letters are allowed, and why the next one is not, if there is one.

        >>> DeadLetterLimit(consecutive=2, share=1.0, window=100).allow([(5, 1), (0, 1), (3, 0)])
        (2, None)
        """
        allowed = 0
        for good, dead in runs:
            try:
                self.record(good, dead)
            except DeadLetterLimitError as error:
                return allowed, error
            allowed += dead
        return allowed, None

    def record(self, good: int, dead: int) -> None:
        """Count a run of good records followed by dead ones.

        Raises:
            DeadLetterLimitError: a limit is passed. Nothing below the loop may catch it.
        """
        self._row = (0 if good else self._row) + dead
        self._recent.append((good + dead, dead))
        self._seen, self._dead = self._seen + good + dead, self._dead + dead
        while self._recent and self._seen - self._recent[0][0] >= self._window:
            seen, gone = self._recent.popleft()
            self._seen, self._dead = self._seen - seen, self._dead - gone
        advice = "look with `crucible dlq list`; mend the cause, or raise dead_letters.{} if the records are to blame"
        if self._row > self._consecutive:
            raise DeadLetterLimitError(
                f"{counted(self._row, 'dead letter')} in a row, the limit is {self._consecutive}: "
                f"{advice.format('consecutive')}"
            )
        if self._seen >= self._window and self._dead > self._share * self._seen:
            raise DeadLetterLimitError(
                f"{counted(self._dead, 'dead letter')} among the last {counted(self._seen, 'record')}, "
                f"the limit is a share of {self._share:g}: {advice.format('share')}"
            )
