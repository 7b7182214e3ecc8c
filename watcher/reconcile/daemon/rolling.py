"""Compares rows with what was counted of them all the time, a part each turn, one process of all at a time.

A round leads through the keys of all tables, then through votes, Redis and views. Where it stands is a row in
PostgreSQL, so that it goes on there after a restart, whoever does; what differed when a range was last compared is kept
there too, so that it is known however long the round takes. What is told as drift the stream has had its chance to
bring: it is past the position at which the rows were read, and they still differ.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from watcher.model.counts import CountedTable
from watcher.model.errors import TemporaryError, WatcherError
from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.own import drift, key_mark, reconcile_turn, repair
from watcher.postgres.own.reconcile_turn import LEASE_SECONDS, RoundPlace, TurnStatus
from watcher.postgres.session import Session
from watcher.reconcile.others import OTHER_RANGES, by_place
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.rows.table import MIN_KEY
from watcher.reconcile.stores import Stores
from watcher.runtime import clock
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal

TURN_RANGES: Final = 16
"""Ranges of a turn: a million keys. More: a turn takes longer; fewer: a round through a large table does."""
PART_RANGES: Final = 4
"""Ranges that are compared at once and then noted. More: a process that is to end waits longer for an answer; fewer:
more questions."""
SHORTEST_WAIT_SECONDS: Final = 1.0
"""Seconds between two looks at whose turn it is."""
FIRST_WAIT_SECONDS: Final = 60.0
"""Seconds from the start of the process to its first turn. Shorter: a process that starts again and again, or reads
what it missed, has its neighbours asked for that as well."""


class DriftObserver(Protocol):
    """Hears what turns find."""

    def standing(self, found: Mapping[str, Mapping[str, int]], turns: TurnStatus) -> None:
        """Hear how many rows of each table differ, by kind of difference, and where the turns stand."""
        ...

    def mended(self, table: str, kinds: Mapping[str, int]) -> None:
        """Hear how many rows of a table were put right, by kind of difference."""
        ...

    def failed(self, error: WatcherError, table: str = "") -> None:
        """Hear that a turn, or its part of a table, failed and will be made again."""
        ...


class _EndedError(Exception):
    """Raised to end a turn before it is over: the process ends, or another process has taken the turn."""


class RollingComparison:
    """Compares the next part of all rows, turn by turn: a task for a worker of the watch role.

    Args:
        tables: which are compared, in their order.
        open_session: connects to PostgreSQL.
        open_stores: opens what is compared, for the length of a turn, given a session and who waits.
        observer: hears what is found.
        owner: names this process among others.
        interval: seconds between two turns, of all processes together.
        auto_fix: whether to put right what is found.
        turn_ranges: ranges of a turn.
        first_wait: seconds until the first turn; None: a minute, or the interval if that is shorter.
    """

    def __init__(
        self,
        tables: Sequence[CountedTable],
        open_session: Callable[[], AbstractContextManager[Session]],
        open_stores: Callable[[Session, Callable[[float], None]], AbstractContextManager[Stores]],
        observer: DriftObserver,
        *,
        owner: str,
        interval: float,
        auto_fix: bool = False,
        turn_ranges: int = TURN_RANGES,
        first_wait: float | None = None,
    ) -> None:
        self.signal, self.retry = Signal(), Retry(5.0, 60.0)
        self._tables, self._open_session, self._open_stores = tuple(tables), open_session, open_stores
        self._observer, self._owner, self._interval = observer, owner, interval
        self._auto_fix, self._turn_ranges = auto_fix, turn_ranges
        self._begins_at = clock.now() + min(FIRST_WAIT_SECONDS if first_wait is None else first_wait, interval)
        self._kept_at = 0.0
        self._session: Session | None = None

    def turn(self) -> float:
        """Compare the next part, if it is due and nobody else does; return the seconds until it may be due.

        Raises:
            TemporaryError: a neighbour is away, or refuses.
        """
        try:
            with self._open_session() as self._session:
                wait = self._begins_at - clock.now()
                if wait <= 0 and (place := reconcile_turn.take(self._session, self._owner, self._interval)) is not None:
                    self._take_turn(self._session, place)
                return max(wait, self._tell(self._session))
        except TemporaryError:
            raise
        except WatcherError as error:  # a right that is missing, say: counting goes on
            raise TemporaryError(str(error)) from error

    def away(self, error: TemporaryError) -> None:
        """Tell that a turn failed and will be made again."""
        self._observer.failed(error)

    def end(self) -> None:
        """Do nothing: connections are opened for a turn."""

    def _tell(self, session: Session) -> float:
        turns = reconcile_turn.standing(session)
        self._observer.standing(drift.drift(session), turns)
        left = self._interval if turns.age_seconds is None else self._interval - turns.age_seconds
        # Somebody else's turn may end with its process: whoever looks then goes on.
        return min(max(SHORTEST_WAIT_SECONDS, left), self._interval) if turns.taken_by is None else LEASE_SECONDS

    def _take_turn(self, session: Session, place: RoundPlace) -> None:
        self._kept_at = clock.now()
        try:
            with self._open_stores(session, self._pause) as stores:
                self._walk(stores, place)
        except _EndedError:
            reconcile_turn.give_back(session, self._owner)
        else:
            reconcile_turn.end(session, self._owner)

    def _walk(self, stores: Stores, place: RoundPlace) -> None:
        """Compare parts from a place on, until there were enough or the round is over."""
        names = [*(table.name for table in self._tables), *(other.name for other in stores.others)]
        at, key = (names.index(place.table), place.key) if place.table in names else (0, 0)
        done, left = [name for name in place.compared if name in names[:at]], self._turn_ranges
        while left > 0:
            try:
                looked, follows = self._some(stores, at, key, left, place)
            except WatcherError as error:
                is_away = isinstance(error, TemporaryError) and not isinstance(error, PostgresRefusedError)
                if is_away and at < len(self._tables):
                    raise
                # A table that may not be read, a stream that stands, a Redis that is away: the others go on.
                self._observer.failed(error, names[at])
                looked, follows = 1, None
            else:
                done += [names[at]] if follows is None else []
            left -= looked
            key = follows or 0
            at += follows is None
            if at == len(names):
                self._end_round(stores.session, place, done)
                return
            self._note(stores.session, names[at], key, done)

    def _some(self, stores: Stores, at: int, key: int, left: int, place: RoundPlace) -> tuple[int, int | None]:
        """Compare some of what is at a place of the round; return how many ranges it was, and the key that follows."""
        if at < len(self._tables):
            first, most = key // stores.range_keys, min(left, PART_RANGES)
            looked, follows = self._part(stores, self._tables[at], first, most, place)
            return looked, None if follows is None else follows * stores.range_keys
        other = stores.others[at - len(self._tables)]
        found, after = other.part(key)
        for one in found:
            if one.mended:
                self._observer.mended(one.where, {one.kind: one.mended})
        low = key or MIN_KEY
        for name, kinds in by_place(other.places, found):
            drift.compared(stores.session, name, low, after, {key: kinds} if kinds else {})
        return OTHER_RANGES, after

    def _part(
        self, stores: Stores, table: CountedTable, first: int, most: int, place: RoundPlace
    ) -> tuple[int, int | None]:
        """Compare some ranges of a table; return how many, and the number of the range that follows, if one does."""
        comparison, low = stores.comparison(table), first * stores.range_keys if first else MIN_KEY
        ranges = comparison.ranges()
        if 0 < first < ranges:
            first = comparison.next_range(first)
        after = None if first + most >= ranges else first + most  # the last part has also what rows are gone of
        if first == 0:
            key_mark.note(stores.session, table.name, comparison.highest())
        if self._auto_fix and first == 0:
            stores.repairer(table, comparison, self._owner).finish_open()
        found: dict[int, Mapping[str, int]] = {}
        for number, differences in comparison.differing(self._goes_on, range(first, first + most)):
            if differences and (kinds := self._left(stores, table, differences)):
                found[number * stores.range_keys] = kinds
        high = None if after is None else after * stores.range_keys
        drift.compared(stores.session, table.name, low, high, found)
        if after is None and self._auto_fix and table.name not in drift.drift(stores.session):
            repair.mended(stores.session, table.name, place.round_began, self._owner)
        return max(1, min(most, ranges - first)), after

    def _left(self, stores: Stores, table: CountedTable, found: Sequence[Difference]) -> Mapping[str, int]:
        """Return how many rows really differ, by kind; where they are to be mended, how many still do afterwards."""
        comparison = stores.comparison(table)
        if self._auto_fix:
            self._observer.mended(table.name, stores.repairer(table, comparison, self._owner).mend(found).kinds)
        else:
            lsn, _ = repair.position(stores.session)
            stores.await_passed(lsn)
        before = {one.key: one for one in found}
        return Counter(one.kind.value for one in comparison.of_keys(list(before)) if one == before[one.key])

    def _end_round(self, session: Session, place: RoundPlace, done: Sequence[str]) -> None:
        tables = tuple(table.name for table in self._tables if table.name in done)
        passed_over = {table.name for table in self._tables} - set(tables)
        found = {name: kinds for name, kinds in drift.drift(session).items() if name not in passed_over}
        self._note(session, "", 0, ())
        drift.note_run(session, drift.ComparisonRun("daemon", self._owner, place.round_began, tables, found))

    def _note(self, session: Session, table: str, key: int, done: Sequence[str]) -> None:
        if not reconcile_turn.note(session, self._owner, table, key, done):
            raise _EndedError
        self._kept_at = clock.now()
        self._goes_on()

    def _goes_on(self, done: int = 0, whole: int = 0) -> None:  # noqa: ARG002
        """End the turn if the process is to end."""
        if self.signal.stopping:
            raise _EndedError

    def _pause(self, seconds: float) -> None:
        """Wait, keeping the turn; end it when the process is to end."""
        if self.signal.pause(seconds):
            raise _EndedError
        if clock.now() - self._kept_at > LEASE_SECONDS / 3:
            self._kept_at = clock.now()
            if self._session is None or not reconcile_turn.keep(self._session, self._owner):
                raise _EndedError
