"""The entries of a crucible, compared row by row: Redis is made to show what PostgreSQL has."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from watcher.model.effects import CrucibleState
from watcher.model.rating import BASE_RATING
from watcher.model.visibility import admitted_level
from watcher.postgres.own import entry_verdict
from watcher.postgres.session import Session
from watcher.postgres.site.contests import SiteEntry, entries, entries_of
from watcher.recovery.progress_listener import ProgressListener
from watcher.recovery.reached_marks import ReachedMarks
from watcher.redis import keys
from watcher.redis.admit import Placement
from watcher.redis.locked_crucible import EntryWrite, LockedCrucible

PAGE_ENTRIES: Final = 20_000
"""Entries held at a time. Larger: more memory; smaller: more questions to PostgreSQL and ClickHouse."""
MAX_ENTRY_ID: Final = 2**32 - 1
"""No entry has a higher id, as ClickHouse holds them."""


@dataclass(frozen=True, slots=True)
class SiteRows:
    """Rows of one crucible as PostgreSQL has them."""

    session: Session
    """Where the entries' rows are read."""
    marks: ReachedMarks
    """Which marks Redis may show."""
    crucible: CrucibleState
    """The crucible's own row."""
    undecided: bool | None = True
    """Whether an entry takes part about which nothing was decided; None: that is waited for."""


KnownRatings = Callable[[int, int], dict[int, tuple[int, int]]]
"""Rating and votes of the entries with ids above the first and up to the second."""


def show_rows(
    locked: LockedCrucible, rows: SiteRows, progress: ProgressListener, ratings: KnownRatings | None = None
) -> int:
    """Make Redis show the entries that PostgreSQL has, and admit those whose image may be shown.

    Args:
        locked: the crucible; closed.
        rows: where the rows come from.
        progress: told how far it is.
        ratings: what to set ratings and votes to; None: leave them, for they are right.

    Returns:
        Number of entries.

    Raises:
        TemporaryError: a neighbour is away, or the lock is lost.
    """
    crucible_id = rows.crucible.crucible_id
    held = locked.held()  # before PostgreSQL is read: what is shown was committed, so it is there or deleted
    gone = held.shown | {one for one, mark in rows.marks.kept(held.gone).items() if mark != held.gone[one]}
    after, count = 0, 0
    while True:
        page = entries(rows.session, crucible_id, after, PAGE_ENTRIES)
        ids = [one.entry.entry_id for one in page]
        gone.difference_update(ids)
        until = ids[-1] if len(page) == PAGE_ENTRIES else MAX_ENTRY_ID  # votes tell of entries PostgreSQL has no more
        known = None if ratings is None else ratings(after, until)
        shown = locked.read(ids)
        there = _no_older(page, shown, rows)
        locked.write(_writes(there, shown, rows.marks.kept(shown), known) + _away(there, known or {}))
        take_part = _show_verdicts(locked, rows, ids)
        locked.admit([_placement(one, rows.crucible, take_part) for one in page if one.entry.entry_id in take_part])
        count += len(page)
        progress("entries", count, None)
        if len(page) < PAGE_ENTRIES:
            break
        after = until
    take_away(locked, gone, rows.marks)
    return count


def take_away(locked: LockedCrucible, entry_ids: Collection[int], marks: ReachedMarks) -> None:
    """Make Redis show these entries no more, because PostgreSQL has them no more.

    Raises:
        TemporaryError: a neighbour is away, or the lock is lost.
    """
    left = locked.read(sorted(entry_ids))
    kept = marks.kept(left)
    locked.write([EntryWrite(entry_id, row, kept[entry_id]) for entry_id, row in left.items()])


def _no_older(page: list[SiteEntry], shown: dict[int, str], rows: SiteRows) -> list[SiteEntry]:
    """Return the page without rows that may be older than what is shown.

    Where they differ, PostgreSQL is asked again.
    """
    differing = [
        one.entry.entry_id
        for one in page
        if (text := shown[one.entry.entry_id]) and text != keys.entry_text(text[: keys.MARK_CHARACTERS], one.entry)
    ]
    if not differing:
        return page
    fresh = {one.entry.entry_id: one for one in entries_of(rows.session, rows.crucible.crucible_id, differing)}
    settled = {one.entry.entry_id: one for one in page} | dict.fromkeys(differing) | fresh
    return [one for one in settled.values() if one is not None]


def _writes(
    page: list[SiteEntry], read: dict[int, str], marks: Mapping[int, str], known: dict[int, tuple[int, int]] | None
) -> list[EntryWrite]:
    """Return what to write of a page.

    An entry keeps its mark: what the stream says of it later is newer, what it said is not.

    Args:
        page: entries as PostgreSQL has them.
        read: what Redis shows of them.
        marks: the mark that each of them is to have.
        known: rating and votes by entry; None: leave them.
    """
    writes = []
    for one in page:
        entry_id = one.entry.entry_id
        shown = read[entry_id]
        wanted = keys.entry_text(marks[entry_id], one.entry)
        if known is None:
            if shown != wanted:
                writes.append(EntryWrite(entry_id, shown, wanted))
        else:
            rating, votes = known.get(entry_id, (BASE_RATING, 0))
            writes.append(EntryWrite(entry_id, shown, wanted, rating, votes))
    return writes


def _away(there: list[SiteEntry], known: dict[int, tuple[int, int]]) -> list[EntryWrite]:
    """Return what to write of entries with votes that are not there: their ratings, and nothing of their rows.

    PostgreSQL was read before, so a row that Redis shows of one may be of its return. Then it has its rating; else that
    is set aside.
    """
    gone = known.keys() - {one.entry.entry_id for one in there}
    return [EntryWrite(entry_id, "", "", *known[entry_id]) for entry_id in sorted(gone)]


def _show_verdicts(locked: LockedCrucible, rows: SiteRows, ids: list[int]) -> dict[int, bool]:
    """Make Redis show whether entries take part; return what PostgreSQL says, without those not decided about.

    Redis is read first: what it says then was committed before, so where PostgreSQL differs it is the newer one. Where
    it has no verdict any more, because the table was emptied or set back, the entry is one about which nothing was
    decided: hidden as long as that is waited for, else there.
    """
    shown = locked.read_verdicts(ids)
    take_part = entry_verdict.take_part(rows.session, rows.crucible.crucible_id, ids)
    marks, right = rows.marks.kept(shown), take_part
    if rows.undecided is not None:
        right = dict.fromkeys((entry for entry, text in shown.items() if text), rows.undecided) | take_part
    wanted = {entry: marks[entry] + str(int(takes_part)) for entry, takes_part in right.items()}
    locked.write_verdicts([(entry, shown[entry], text) for entry, text in wanted.items() if text != shown[entry]])
    return take_part if rows.undecided is None else dict.fromkeys(ids, rows.undecided) | take_part


def _placement(one: SiteEntry, crucible: CrucibleState, take_part: Mapping[int, bool]) -> Placement:
    level = admitted_level(one.image, crucible.nsfw_level) if take_part[one.entry.entry_id] else 0
    return Placement(one.entry.entry_id, level, one.entry.image_id)
