"""Rebuilds what Redis shows of a crucible from PostgreSQL's rows and ClickHouse's votes, to the same numbers."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Final, Protocol, TypeVar

import structlog

from watcher.clickhouse.planned_table import PlannedTable
from watcher.clickhouse.vote_history import Span, VoteHistory
from watcher.model.drain_plan import event_rows
from watcher.model.effects import CrucibleState
from watcher.model.errors import StopError
from watcher.model.metric_columns import CREATED_AT, SOURCE_ID
from watcher.model.metric_row import MetricRow
from watcher.model.metric_rows import month
from watcher.model.rating import BASE_RATING
from watcher.model.replay_rows import Tally
from watcher.model.visibility import admitted_level
from watcher.postgres.session import Session
from watcher.postgres.site.contests import SiteEntry, entries, entries_of
from watcher.redis import keys
from watcher.redis.admit import Placement
from watcher.redis.locked_crucible import PAIRS, EntryWrite, LockedCrucible

log = structlog.get_logger(__name__)
S = TypeVar("S")
T = TypeVar("T")

PAGE: Final = 20_000
"""Entries held at a time. Larger: more memory; smaller: more questions to PostgreSQL and ClickHouse."""
CHUNK: Final = 250_000
"""Votes of one question to ClickHouse, for the same reason."""
PORTION: Final = 500_000
"""Judged pairs of one question to ClickHouse, some 25 MB. It goes through all votes for each, so they are few."""
LAST_ID: Final = 2**32 - 1
"""No entry has a higher id, as ClickHouse holds them."""
AHEAD: Final = 2
"""Answers that may wait. ClickHouse works while we do."""


class Progress(Protocol):
    """Whom a rebuild tells how far it is."""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` are done of this step; None where nobody knows how many there are."""
        ...


class ReplayDiffersError(StopError):
    """ClickHouse's view of a crucible's ratings is not what its votes give."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    crucible_id: int
    entries: int = 0
    votes: int = 0
    """Numbered votes that ClickHouse knows of."""
    pairs: int = 0
    """Judged pairs that were written."""
    replayed: int = 0
    """Votes that were cast again to prove the ratings; 0 without a replay."""
    forgotten: int = 0
    """Votes that are past their TTL in ClickHouse: ratings have them, but who judged which pair is gone."""
    epoch: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Rows:
    """What is compared with PostgreSQL."""

    session: Session
    history: int
    """Number of PostgreSQL's history."""
    crucible: CrucibleState


Ratings = Callable[[int, int], dict[int, tuple[int, int]]]
"""Rating and votes of the entries with ids above the first and up to the second."""


def show_rows(locked: LockedCrucible, rows: Rows, progress: Progress, ratings: Ratings | None = None) -> int:
    """Make Redis show the entries that PostgreSQL has, and admit those whose image may be shown.

    Args:
        locked: the crucible; closed.
        rows: where the rows come from.
        progress: told how far it is.
        ratings: what to set ratings and votes to; None: leave them, for they are right.

    Returns:
        Number of entries.
    """
    crucible_id = rows.crucible.crucible_id
    gone = set(locked.shown_ids())  # before PostgreSQL is read: what is shown was committed, so it is there or deleted
    after, count = 0, 0
    while True:
        page = entries(rows.session, crucible_id, after, PAGE)
        ids = [one.entry.entry_id for one in page]
        gone.difference_update(ids)
        until = ids[-1] if len(page) == PAGE else LAST_ID  # votes tell of entries that PostgreSQL no longer has
        known = None if ratings is None else ratings(after, until)
        shown = locked.read(ids)
        there = _no_older(page, shown, rows)
        locked.write(_writes(there, shown, keys.mark(rows.history, 0), known) + _away(there, known or {}))
        locked.admit([_placement(one, rows.crucible) for one in page])
        count += len(page)
        progress("entries", count, None)
        if len(page) < PAGE:
            break
        after = until
    left = locked.read(sorted(gone))
    locked.write([EntryWrite(entry_id, row, row[: keys.MARK_CHARACTERS]) for entry_id, row in left.items()])
    return count


def _no_older(page: list[SiteEntry], shown: dict[int, str], rows: Rows) -> list[SiteEntry]:
    """The page, without rows that may be older than what is shown: where they differ, PostgreSQL is asked again."""
    doubtful = [
        one.entry.entry_id
        for one in page
        if (text := shown[one.entry.entry_id]) and text != keys.entry_text(text[: keys.MARK_CHARACTERS], one.entry)
    ]
    if not doubtful:
        return page
    fresh = {one.entry.entry_id: one for one in entries_of(rows.session, rows.crucible.crucible_id, doubtful)}
    settled = {one.entry.entry_id: one for one in page} | dict.fromkeys(doubtful) | fresh
    return [one for one in settled.values() if one is not None]


def _writes(
    page: list[SiteEntry], read: dict[int, str], new: str, known: dict[int, tuple[int, int]] | None
) -> list[EntryWrite]:
    """What to write of a page. An entry keeps its mark: what the stream says of it later is newer, what it said is not.

    Args:
        page: entries as PostgreSQL has them.
        read: what Redis shows of them.
        new: mark of an entry that Redis has not heard of.
        known: rating and votes by entry; None: leave them.
    """
    writes = []
    for one in page:
        entry_id = one.entry.entry_id
        shown = read[entry_id]
        wanted = keys.entry_text(shown[: keys.MARK_CHARACTERS] or new, one.entry)
        if known is None:
            if shown != wanted:
                writes.append(EntryWrite(entry_id, shown, wanted))
        else:
            rating, votes = known.get(entry_id, (BASE_RATING, 0))
            writes.append(EntryWrite(entry_id, shown, wanted, rating, votes))
    return writes


def _away(there: list[SiteEntry], known: dict[int, tuple[int, int]]) -> list[EntryWrite]:
    """What to write of entries with votes that are not there: their ratings, and nothing of their rows.

    PostgreSQL was read before, so a row that Redis shows of one may be of its return. Then it has its rating; else that
    is set aside.
    """
    gone = known.keys() - {one.entry.entry_id for one in there}
    return [EntryWrite(entry_id, "", "", *known[entry_id]) for entry_id in sorted(gone)]


def _placement(one: SiteEntry, crucible: CrucibleState) -> Placement:
    return Placement(one.entry.entry_id, admitted_level(one.image, crucible.nsfw_level), one.entry.image_id)


def write_judged(locked: LockedCrucible, history: VoteHistory, votes: int, progress: Progress) -> int:
    """Write down what every judge said of every pair, as far as ClickHouse still knows; returns how many pairs."""
    crucible_id, prefix = locked.crucible_id, keys.judged_prefix(locked.crucible_id)
    portions, parts = max(1, -(-votes // PORTION)), -(-min(votes, PORTION) // PAIRS) or 1
    pairs = 0
    for some in ahead(lambda at: history.judged(crucible_id, at, portions, parts, prefix), range(portions)):
        for count, commands, judges in some:
            locked.judged(commands, judges)
            pairs += count
        locked.renew()
        progress("judged pairs", pairs, votes)
    return pairs


def ahead(look: Callable[[S], T], things: Sequence[S]) -> Iterator[T]:
    """What is found for each thing, while the next one is being looked for in another thread."""
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = [thread.submit(look, one) for one in things[:AHEAD]]
        for at in range(len(things)):
            found = coming.pop(0).result()
            if at + AHEAD < len(things):
                coming.append(thread.submit(look, things[at + AHEAD]))
            yield found


def complete_events(crucible_id: int, spans: list[Span], history: VoteHistory, events: PlannedTable[MetricRow]) -> None:
    """Write the metric events of votes that have none: Redis was lost, and with it the plan to write them.

    Numbers of rows say nothing, because votes expire and their events stay; so every vote's event is looked for.

    Args:
        crucible_id: whose.
        spans: the votes that are there.
        history: tells which have no event.
        events: where they go.
    """
    for span in spans:
        rows = event_rows({crucible_id: history.without_event(crucible_id, span)})
        for of_month, some in groupby(rows, lambda row: month(row[CREATED_AT])):
            block = list(some)
            log.warning("crucible.events_completed", crucible=crucible_id, month=of_month, votes=len(block))
            name = blake2b(b"".join(row[SOURCE_ID] for row in block), digest_size=16).hexdigest()
            events.insert(f"completed/{name}", block)


def gaps(spans: list[Span], expiring: int) -> list[tuple[int, int]]:
    """Where numbers of votes are missing that their age does not explain: epoch, and the last number before.

    Votes are numbered without a gap in each epoch, and the oldest expire first. So only the first numbers that are
    there may have none before them, and nothing is known of what is beside votes that are about to expire.

    Args:
        spans: the votes that are there, in order.
        expiring: votes from before this time may be gone or not; seconds since 1970.

    >>> gaps([Span(1, 31, 80, 50, 100, 200), Span(2, 1, 9, 9, 300, 400)], 0)
    []
    >>> gaps([Span(1, 31, 80, 49, 100, 200), Span(2, 3, 9, 7, 300, 400)], 0)
    [(1, 30), (2, 0)]
    >>> gaps([Span(1, 31, 80, 49, 100, 200), Span(2, 3, 9, 7, 300, 400)], 150)
    [(2, 0)]
    """
    found = []
    before: Span | None = None
    for span in spans:
        follows = before.last + 1 if before is not None and before.epoch == span.epoch else 1
        whole = span.votes == span.last - span.first + 1
        joined = before is None or span.first == follows or before.until < expiring
        if not joined or (not whole and span.since >= expiring):
            found.append((span.epoch, (follows if not joined else span.first) - 1))
        before = span
    return found


def replay_votes(
    crucible_id: int, history: VoteHistory, spans: list[Span], progress: Progress, renew: Callable[[], None]
) -> Tally:
    """Cast all votes again, in their order.

    Raises:
        ReplayDiffersError: a vote recorded other ratings than it gives now.
    """
    total = sum(span.votes for span in spans)
    done = Tally()
    for votes in ahead(lambda span: history.votes(crucible_id, span), spans):
        done.add(votes)
        renew()
        progress("votes replayed", done.cast, total)
    if done.first_differing is not None:
        epoch, seq = done.first_differing
        raise ReplayDiffersError(
            f"crucible {crucible_id}: {done.differing} of {total} votes recorded other ratings than their replay "
            f"gives, the first of them {epoch}-{seq}; Redis shows the recorded ones. Was crucible_entry_rating edited?"
        )
    return done


def compare_replay(crucible_id: int, done: Tally, votes: dict[int, int], shown: dict[int, tuple[int, int]]) -> None:
    """The replay and the view say the same of every entry.

    Args:
        crucible_id: whose.
        done: the replay.
        votes: how many of the replayed votes each entry was part of.
        shown: rating and votes of each entry in the view.

    Raises:
        ReplayDiffersError: they do not.
    """
    replayed = {entry_id: (rating, votes.get(entry_id, 0)) for entry_id, rating in done.ratings.items()}
    if replayed != shown:
        wrong = sorted(one for one in replayed.keys() | shown.keys() if replayed.get(one) != shown.get(one))
        raise ReplayDiffersError(
            f"crucible {crucible_id}: {len(wrong)} entries have other ratings or votes in the view entry_rating than "
            f"by a replay of crucible_entry_rating, the first of them {wrong[0]}: {shown.get(wrong[0])} and "
            f"{replayed.get(wrong[0])}; run `crucible migrate status` and rebuild the view"
        )
