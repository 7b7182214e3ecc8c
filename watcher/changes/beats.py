"""Which beats were written and which of them came: that tells a quiet stream from one that is cut off.

The loop's thread hears what comes, the journal's writes beats and learns of those that other processes wrote or heard.
Where the last one is kept outlives the process, and PostgreSQL: a database that was set back knows of fewer beats.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from watcher.changes.lane import Lane
from watcher.changes.source import Source
from watcher.changes.taken import Taken
from watcher.model.beat import OVERDUE_SECONDS, Beat, hole_between
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent, lsn_text
from watcher.model.farthest import Farthest
from watcher.model.need_reason import NeedReason
from watcher.model.postgres_look import PostgresLook
from watcher.model.stream import Partition
from watcher.runtime import clock

log = structlog.get_logger(__name__)

MAX_KNOWN: Final = 1_000
"""How many beats that have not come are remembered; the oldest of them say since when the stream is cut off."""


class BeatMarks(Protocol):
    """Keeps the last beat that came, outside of this process and of PostgreSQL, so that it survives both."""

    def last(self) -> Beat | None:
        """Return the beat that is kept; None if there is none.

        Raises:
            TemporaryError: it is away.
        """
        ...

    def keep(self, beat: Beat) -> None:
        """Keep a beat in the place of the one before.

        Raises:
            TemporaryError: it is away.
        """
        ...


class Beats:
    """The beats of one consumer group and schema: which were written, which came, and what their absence means.

    Args:
        marks: keeps the last one that came; used by the loop's thread.
        journal_marks: the same, for the journal's thread.
        tables: which a hole is a hole of: all that are watched.
        now: monotonic seconds.
    """

    def __init__(
        self,
        marks: BeatMarks,
        journal_marks: BeatMarks,
        tables: Iterable[str],
        now: Callable[[], float] = clock.now,
    ) -> None:
        self._marks, self._journal_marks, self._now = marks, journal_marks, now
        self._tables = tuple(tables)
        self._lock = threading.Lock()
        self._last: Beat | None = None
        self._farthest = Farthest()
        self._awaited: deque[tuple[int, float]] = deque(maxlen=MAX_KNOWN)
        """When beats were written that have not come, by PostgreSQL's clock and by ours."""
        self.heard_at: float | None = None
        """When the last beat came that we know of, by our clock."""
        self.unpublished: tuple[str, ...] = ()
        """Watched tables of which no change is published."""

    # -- the loop's thread --------------------------------------------------------------------------------------------

    def taken(self, taken: Taken, _lanes: Mapping[Partition, Lane]) -> dict[ReconcileNeeded, Extent]:
        """Note how far the stream is, and the beats in it; return what has to be compared because others did not come.

        Raises:
            TemporaryError: the marks are away. Call again; nothing is found twice.
        """
        at, lsn = taken.farthest
        if lsn:
            self.passed(lsn, at)
        return self.came(taken.beats) if taken.beats else {}

    def turned(self, _lanes: Mapping[Partition, Lane], _source: Source) -> dict[ReconcileNeeded, Extent]:
        """Return nothing: a beat that has not come yet is no loss; metrics and the doctor tell of it."""
        return {}

    def came(self, beats: Sequence[Beat]) -> dict[ReconcileNeeded, Extent]:
        """Note beats that came; return what has to be compared because others did not.

        Only when this returns may they be acknowledged: else a process that takes over would miss them for good.

        Raises:
            TemporaryError: the marks are away. Call again; nothing is found twice.
        """
        last = _later(self._last, self._marks.last())
        needs: dict[ReconcileNeeded, Extent] = {}
        for beat in beats:
            if last is not None and beat.written <= last.written:
                continue  # delivered again
            hole = hole_between(last, beat)
            if hole is not None:
                log.error("stream.hole", reason=hole.reason, after=hole.found.first, before=hole.found.last)
                for table in self._tables:
                    need = ReconcileNeeded(table, hole.reason)
                    needs[need] = needs[need].then(hole.found) if need in needs else hole.found
            last = beat
        if last is not None:
            self._marks.keep(last)
            self._heard(last)
        return needs

    def passed(self, lsn: int, at: int) -> None:
        """Note that a change came from a place in the log.

        Args:
            lsn: its log position.
            at: its commit time, in milliseconds since 1970.
        """
        if at >= self._farthest.at:
            self._farthest = Farthest(lsn, at)

    # -- the journal's thread -----------------------------------------------------------------------------------------

    def farthest(self) -> Farthest:
        """Return how far the stream is known to have been, by us or by whoever ran before or runs beside us."""
        try:
            kept = self._journal_marks.last()
        except TemporaryError:
            kept = None  # whoever is away is told of by those who cannot do without
        if kept is not None:
            self._heard(kept)
        return msgspec.structs.replace(self._farthest, beat=self._last)

    def looked(self, look: PostgresLook) -> dict[ReconcileNeeded, Extent]:
        """Note what PostgreSQL says was written; return what has to be compared because it is not published."""
        with self._lock:
            known = max(self._awaited[-1][0] if self._awaited else 0, self._last.written if self._last else 0)
            if look.beat is not None and look.beat.written > known:
                self._awaited.append((look.beat.written, self._now()))
        if look.unpublished and look.unpublished != self.unpublished:
            log.error("stream.unpublished", tables=look.unpublished, lsn=lsn_text(look.end_of_log))
        if look.republished:
            log.error("stream.republished", tables=look.republished, lsn=lsn_text(look.end_of_log))
        self.unpublished = look.unpublished
        place = f"LSN {lsn_text(look.end_of_log)}"
        found = Extent(str(self._last) if self._last else place, place)
        return {ReconcileNeeded(table, NeedReason.CUT_OFF): found for table in (*look.unpublished, *look.republished)}

    # -- anybody ------------------------------------------------------------------------------------------------------

    @property
    def last(self) -> Beat | None:
        """Return the last beat that came, to whichever process."""
        return self._last

    @property
    def overdue_for(self) -> float | None:
        """Return the seconds since the first beat was written of which none has come; None while none is overdue.

        Until the first one came, none is: the beat's table may not be published yet, or its topic not read.
        """
        return self._age() if self._last is not None else None

    @property
    def absent_for(self) -> float | None:
        """Return the seconds since the first beat was written, if none has ever come and one should have."""
        return self._age() if self._last is None else None

    def _age(self) -> float | None:
        with self._lock:
            age = self._now() - self._awaited[0][1] if self._awaited else 0.0
        return age if age >= OVERDUE_SECONDS else None

    def _heard(self, beat: Beat) -> None:
        with self._lock:
            if self._last is None or beat.written > self._last.written:
                self._last, self.heard_at = beat, self._now()
            while self._awaited and self._awaited[0][0] <= beat.written:
                self._awaited.popleft()


def _later(one: Beat | None, other: Beat | None) -> Beat | None:
    """Return the later of two beats, if there is any."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda beat: beat.written)
