"""Compares a table from its first row to its last, page by page, and puts right what was counted of each row.

The stream goes on meanwhile and wins. A page is one range of keys, so that a row is mended too that was changed or
deleted before its page came: the stream has counted it back, and nobody had counted it. How far it is lies in
PostgreSQL, so whoever starts it again goes on there; a page that was done and not noted finds nothing to do.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from watcher.model.errors import StopError, TemporaryError
from watcher.postgres.own import backfill_run, repair
from watcher.postgres.own.backfill_run import BackfillRun
from watcher.postgres.session import Session
from watcher.reconcile.repairs.repairer import Mended
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.rows.table import MIN_KEY
from watcher.recovery.verifier import Comparison
from watcher.runtime.failpoint import reach

PAGE_ROWS: Final = 50_000
"""Rows of a page. More: fewer waits for the stream, one a page; fewer: less memory, of which it takes 100 MB or so."""
MAX_COUNTED: Final = 2
"""Keys of a page of which anything was counted, per row of it. Fewer: pages whose rows have gone are split more."""
BEFORE_ALL: Final = MIN_KEY
"""A page begins after a key. No serial column has the lowest one itself."""
MAX_ROUNDS: Final = 3
"""Times that a page is looked at and mended. Fewer: rows that change meanwhile are left to a comparison."""
SEEN_EVERY_SECONDS: Final = 5.0
BUSY_SECONDS: Final = 1.0
MAX_BUSY: Final = 60
"""Looks at a crucible that another process compares, and seconds between two."""


class BackfillPausedError(StopError):
    """Raised when somebody wants a backfill to pause: what is done is noted, and the rest is as it was."""


class BackfillEndedError(BackfillPausedError):
    """Raised when somebody has ended a backfill, or has begun it anew: nothing is left to be gone on with."""


class Pages(Protocol):
    """The rows of a table, by pages of their keys."""

    def page(self, after: int, until: int, most: int) -> tuple[int | None, int]:
        """Return the last key of a page and how many rows it has; see :class:`watcher.postgres.counted_rows`."""
        ...


class Ranges(Protocol):
    """Tells what differs in a range of keys."""

    def differing(self, low: int, high: int) -> list[Difference]:
        """Return what differs of the keys from ``low`` to below ``high``, at this moment."""
        ...

    def bounded(self, low: int, high: int, most: int) -> int:
        """Return where, up to ``high``, about ``most`` keys end of which anything was counted; one key at least."""
        ...


class Mends(Protocol):
    """Puts right what differs in the counts of rows."""

    def finish_open(self) -> int:
        """Carry out what other runs have decided."""
        ...

    def mend(self, found: Sequence[Difference]) -> Mended:
        """Return how many were put right, by kind."""
        ...


BackfillListener = Callable[[BackfillRun, str], None]
"""Told how far a run is, and with what."""


class OngoingBackfill:
    """A backfill under way: how far it is, and whether somebody wants it to pause.

    Args:
        session: where that is noted.
        run: which.
        held: raises once another process may have begun.
        stops: whether this process was asked to end.
        heard: is told how far it is.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        session: Session,
        run: BackfillRun,
        *,
        held: Callable[[], None],
        stops: Callable[[], bool],
        heard: BackfillListener,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session, self.run, self._held = session, run, held
        self._stops, self._heard, self._sleep = stops, heard, sleep
        self._seen_at = time.monotonic()

    def note(self, what: str, **changed: object) -> None:
        """Note how far the run is.

        Raises:
            BackfillPausedError: it is to pause.
            LockLostError: another process may have begun.
        """
        self.run = msgspec.structs.replace(self.run, **changed)
        self._held()
        wanted = backfill_run.note(self._session, self.run)
        reach("backfill.noted")
        self._heard(self.run, what)
        self._go_on(wanted=wanted)

    def rest(self, seconds: float) -> None:
        """Wait; meanwhile others see who runs this, and a pause is heard.

        Raises:
            BackfillPausedError: it is to pause.
        """
        self._go_on(wanted=False)
        self._sleep(seconds)
        if time.monotonic() - self._seen_at >= SEEN_EVERY_SECONDS:
            self._held()
            self._seen_at = time.monotonic()
            self._go_on(wanted=backfill_run.seen(self._session, self.run))
        self._go_on(wanted=False)

    def _go_on(self, *, wanted: bool | None) -> None:
        if wanted is None:
            raise BackfillEndedError("another process has ended it, or has begun anew")
        if wanted or self._stops():
            backfill_run.pause(self._session, self.run)
            raise BackfillPausedError("paused; run it again, and it goes on here")


def count_rows(
    ongoing: OngoingBackfill, pages: Pages, ranges: Ranges, mends: Mends, page_rows: int = PAGE_ROWS
) -> None:
    """Make what was counted of every row up to the run's last key what the row counts for.

    Args:
        ongoing: the run.
        pages: the table's rows.
        ranges: tells what differs.
        mends: puts it right.
        page_rows: rows of a page.

    Raises:
        BackfillPausedError: it is to pause.
        StreamStandsError: the stream does not go on.
        TemporaryError: a neighbour is away; what is done is noted.
    """
    until = ongoing.run.until_key
    after = BEFORE_ALL if ongoing.run.done_key is None else ongoing.run.done_key
    if after < until:
        mends.finish_open()
    while after < until:
        last, rows = pages.page(after, until, page_rows)
        whole = until if last is None or rows < page_rows else last
        end = ranges.bounded(after + 1, whole + 1, MAX_COUNTED * page_rows) - 1  # what was counted may have no rows
        rows = rows if end == whole else pages.page(after, end, page_rows)[1]
        mended, left = _mended(ranges, mends, after + 1, end + 1)
        reach("backfill.mended")
        ongoing.note(
            "rows",
            done_key=end,
            looked_at=ongoing.run.looked_at + rows,
            mended=dict(Counter(ongoing.run.mended) + mended),
            still_wrong=ongoing.run.still_wrong + left,
        )
        after = end


def _mended(ranges: Ranges, mends: Mends, low: int, high: int) -> tuple[Counter[str], int]:
    """Return what was put right of a range of keys, and how many rows are still wrong in the same way."""
    mended: Counter[str] = Counter()
    before: dict[int, Difference] = {}
    for _ in range(MAX_ROUNDS):
        found = ranges.differing(low, high)
        if not found:
            return mended, 0
        reach("backfill.compared")
        mended.update(mends.mend(found).kinds)
        before = {one.key: one for one in found}
    return mended, sum(one == before.get(one.key) for one in ranges.differing(low, high))


def look_again(
    ongoing: OngoingBackfill,
    come: Iterable[Sequence[int]],
    of_keys: Callable[[Sequence[int]], list[Difference]],
    mends: Mends,
) -> None:
    """Put right what looked right in its page because something of it was on its way, which has come by now.

    Args:
        ongoing: the run; its pages are done.
        come: keys of which a change has come in since the run began, some at a time.
        of_keys: tells what differs of some keys.
        mends: puts it right.

    Raises:
        BackfillPausedError: it is to pause.
        StreamStandsError: the stream does not go on.
        TemporaryError: a neighbour is away; what is done is noted.
    """
    for keys in come:
        found = of_keys(keys)
        if found:
            mended = mends.mend(found)
            ongoing.note(
                "rows",
                mended=dict(Counter(ongoing.run.mended) + Counter(mended.kinds)),
                still_wrong=max(ongoing.run.still_wrong, len(mended.left)),
            )


def show_crucibles(
    ongoing: OngoingBackfill, unfinished: Callable[[], Sequence[int]], compare: Callable[[int], Comparison]
) -> None:
    """Have every crucible that takes votes compared in Redis, row by row.

    Args:
        ongoing: the run.
        unfinished: returns their ids, ascending.
        compare: compares one.

    Raises:
        BackfillPausedError: it is to pause.
        TemporaryError: a neighbour is away, or somebody else is at a crucible for long.
    """
    for crucible_id in unfinished():
        if crucible_id <= ongoing.run.done_crucible:
            continue
        for _ in range(MAX_BUSY):
            if compare(crucible_id) is not Comparison.BUSY:
                break
            ongoing.rest(BUSY_SECONDS)
        else:
            raise TemporaryError(f"crucible {crucible_id} is being compared by another process; run this again")
        reach("backfill.shown")
        ongoing.note("crucibles", done_crucible=crucible_id)


def finish(session: Session, run: BackfillRun, table: str, made_by: str) -> None:
    """End a run; what asked for a comparison of the table before its rows were compared is forgotten if all is right.

    The rows that a connector has sent ask for one as well, and are all written before the first page is compared.

    Args:
        session: where both are noted.
        run: which; all of it is done.
        table: its table.
        made_by: who has made it, for the log of repairs.
    """
    with session.together():
        backfill_run.finish(session, run)
        if not run.still_wrong:
            repair.mended(session, table, run.brought_at or run.began_at, made_by)
    reach("backfill.finished")
