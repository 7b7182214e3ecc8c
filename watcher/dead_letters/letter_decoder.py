"""Decodes dead letters anew and runs their handlers: the daemon's own, as they are now, one letter at a time."""

from dataclasses import dataclass
from functools import cached_property

from watcher.changes.ingest import Ingest
from watcher.changes.lane import Lane
from watcher.changes.taken import Taken
from watcher.kafka.dead_letter_topic import StoredDeadLetter
from watcher.model.errors import RecordError
from watcher.model.metric_columns import SOURCE_ID, SOURCE_KEY, SOURCE_LSN
from watcher.model.metric_row import MetricRow
from watcher.model.metric_rows import MetricRows
from watcher.model.progress import Progress
from watcher.model.stream import Headers


@dataclass(frozen=True, slots=True)
class LetterRecord:
    """The refused record as it came; see :class:`watcher.model.stream.Record`.

    It is given a place of its own: where it lay says nothing of what it means.
    """

    letter: StoredDeadLetter
    whole: bytes | None
    """Its value: the letter's, or what lies in the topic where the letter has only the beginning."""

    def topic(self) -> str:
        """Return the topic that it was read from."""
        return self.letter.record.topic

    def partition(self) -> int:
        """Return 0: the place is made up, and has one partition."""
        return 0

    def offset(self) -> int:
        """Return 0: the place is made up, and holds one record."""
        return 0

    def key(self) -> bytes | None:
        """Return its key's bytes."""
        return self.letter.key

    def value(self) -> bytes | None:
        """Return its value's bytes."""
        return self.whole

    def headers(self) -> Headers:
        """Return the headers that it had before it was refused."""
        return list(self.letter.headers)

    def timestamp(self) -> tuple[int, int]:
        """Return its time in milliseconds since 1970."""
        return 1, int(self.letter.time.timestamp() * 1000)


@dataclass(frozen=True)
class DecodedLetter:
    """A letter's change with the rows that its handlers make of it, or why it still cannot be used."""

    letter: StoredDeadLetter
    taken: Taken
    rows: MetricRows

    @cached_property
    def error(self) -> RecordError | None:
        """Return why it cannot be used, or None if it can."""
        return self.taken.dead_letters[0].error if self.taken.dead_letters else None

    @cached_property
    def table(self) -> str:
        """Return the table whose change it is; empty where that is not known."""
        if self.taken.refused:
            return self.taken.refused[0][0]
        tables = [table for table, _ in self.taken.consumed if table]
        return tables[0] if tables else self.letter.record.table

    @cached_property
    def _first(self) -> MetricRow:
        return next(iter(self.rows))

    @property
    def change(self) -> bytes:
        """Return the identity of its change; only of one that counts for something."""
        return self._first[SOURCE_ID]

    @property
    def key(self) -> int:
        """Return the key of the row that was changed; only of a change that counts for something."""
        return self._first[SOURCE_KEY]

    @property
    def lsn(self) -> int:
        """Return the position in the log of its change; only of one that counts for something."""
        return self._first[SOURCE_LSN]

    @property
    def committed(self) -> int:
        """Return when its change was committed, in milliseconds since 1970; 0 where there is none."""
        return self.taken.farthest[0]


class LetterDecoder:
    """Decodes letters and runs their handlers.

    Args:
        ingest: the daemon's, with a decoder of its own.
    """

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def decode(self, letter: StoredDeadLetter, value: bytes | None) -> DecodedLetter:
        """Return a letter's change and its rows, or why it cannot be used.

        Args:
            letter: which.
            value: the record's whole value.

        Raises:
            TemporaryError: the schema registry is away.
        """
        record = LetterRecord(letter, value)
        place = record.topic(), record.partition()
        lane = Lane(*place, Progress.resume("", 0, 0, None), lease=0.0)
        taken, _ = self._ingest.take([record], {place: lane}, now=0.0)
        if taken.waiting is not None:
            raise taken.waiting
        return DecodedLetter(letter, taken, lane.gathered.rows)
