"""Compares what Redis shows of one crucible with PostgreSQL's rows and ClickHouse's ratings, and changes nothing.

It is the verifier's own comparison (``recovery/rows.py``), with a crucible that notes what is to be written instead of
writing it. Nothing is locked, and votes go on.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Final, NamedTuple, cast

import msgspec

from watcher.clickhouse.vote_history import VoteHistory
from watcher.model.effects import CrucibleState
from watcher.postgres.session import Session
from watcher.postgres.site.contests import crucible as site_crucible
from watcher.recovery.closed_crucible import current_history
from watcher.recovery.progress_listener import in_silence
from watcher.recovery.reached_marks import ReachedMarks
from watcher.recovery.rows import SiteRows, show_rows
from watcher.redis import keys
from watcher.redis.admit import Placement
from watcher.redis.client import Client, away_is_temporary
from watcher.redis.locked_crucible import EntryWrite, LockedCrucible
from watcher.redis.voted_entries import held_entries

MAX_HELD: Final = 10_000
"""Differences of one crucible that are told. More: more memory; whoever mends it mends all of them."""
PAGE_ENTRIES: Final = 1_000
"""Entries of one question to Redis. More: votes wait; fewer: more round trips."""
LEVELS: Final = range(1, 32)
"""Levels that an admitted image may have."""


A_PLACE: Final = "a place that the log has reached"
"""What a mark should be: which one, nobody can tell."""


class RedisKind(StrEnum):
    """How Redis is wrong about a crucible."""

    GHOST = "crucible that PostgreSQL does not have"
    ABSENT = "active crucible absent"
    CRUCIBLE = "crucible's row differs"
    ENTRY_MISSING = "entry missing"
    ENTRY_GHOST = "entry that PostgreSQL does not have"
    ENTRY = "entry's row differs"
    VERDICT = "verdict differs"
    MARK = "mark not of the log"
    """The place in PostgreSQL's log up to which changes of a row are no news: what comes later would not be shown."""
    RATING = "rating differs"
    VOTES = "number of votes differs"
    STANDING = "standing differs"
    POOLS = "pools differ"
    MORE_VOTES = "votes that Redis does not know"
    FEWER_VOTES = "votes that ClickHouse lacks"


OF_VOTES: Final = frozenset({RedisKind.RATING, RedisKind.VOTES, RedisKind.STANDING, RedisKind.POOLS})
"""Put right by a rebuild from ClickHouse; the others by the verifier's look at the rows."""
UNBALANCED: Final = frozenset({RedisKind.MORE_VOTES, RedisKind.FEWER_VOTES})
"""Votes that one side has and the other has not."""
OF_ROWS: Final = frozenset(RedisKind) - OF_VOTES - UNBALANCED
"""What follows from PostgreSQL's rows alone, whatever votes and views say."""


class CrucibleDifference(NamedTuple):
    """One thing that Redis shows otherwise than it should."""

    kind: RedisKind
    entry_id: int
    """0: it is about the crucible."""
    said: str
    """What is shown and what is right: the same at every look as long as neither changes."""


class _Created(msgspec.Struct):
    created: int


class ObservedCrucible(LockedCrucible):
    """A crucible that the verifier's steps do not change: what they would write is noted as a difference.

    Args:
        client: Redis.
        crucible_id: which.
    """

    def __init__(self, client: Client, crucible_id: int) -> None:
        super().__init__(client, crucible_id, token="")
        self.found: set[CrucibleDifference] = set()
        self._known = set[int]()
        """Entries that Redis shows, or should: the only ones that have a rating and votes there."""
        self._rated, self._voted = 0, 0

    def note(self, kind: RedisKind, entry_id: int, shown: object, right: object) -> None:
        """Note a difference, unless very many are noted."""
        if len(self.found) < MAX_HELD:
            self.found.add(
                CrucibleDifference(kind, entry_id, f"shown is {shown or 'nothing'}, right is {right or 'nothing'}")
            )

    def write(self, entries: Sequence[EntryWrite]) -> int:
        """Note which rows, marks, ratings and votes differ; nothing is written."""
        for one in entries:
            self._note_mark(one.entry_id, one.read, one.wanted)
            shown, right = one.read[keys.MARK_CHARACTERS :], one.wanted[keys.MARK_CHARACTERS :]
            if shown or right:
                self._known.add(one.entry_id)
            if shown != right:
                kind = RedisKind.ENTRY if shown and right else RedisKind.ENTRY_GHOST
                self.note(kind if shown else RedisKind.ENTRY_MISSING, one.entry_id, shown, right)
        rated = [one for one in entries if one.rating is not None]
        held = held_entries(self.client, self.crucible_id, [one.entry_id for one in rated])
        for one, there in zip(rated, held, strict=True):
            if there.rating is None and not one.read[keys.MARK_CHARACTERS :]:
                continue  # it is missing, or left without votes that Redis knows of
            if one.entry_id in self._known:
                self._rated += there.rating is not None
                self._voted += there.votes > 0
            if there.rating != one.rating:
                self.note(RedisKind.RATING, one.entry_id, there.rating, one.rating)
            if there.votes != one.votes:
                self.note(RedisKind.VOTES, one.entry_id, there.votes, one.votes)
        return 0

    def write_verdicts(self, verdicts: Sequence[tuple[int, str, str]]) -> None:
        """Note which verdicts and marks differ; nothing is written."""
        marks = keys.MARK_CHARACTERS
        for entry, shown, right in verdicts:
            self._note_mark(entry, shown, right)
            if shown[marks:] != right[marks:]:
                self.note(RedisKind.VERDICT, entry, shown[marks:], right[marks:])

    def _note_mark(self, entry_id: int, shown: str, right: str) -> None:
        mark = shown[: keys.MARK_CHARACTERS]
        if mark and mark != right[: keys.MARK_CHARACTERS]:
            self.note(RedisKind.MARK, entry_id, mark, A_PLACE)

    def admit(self, placements: Sequence[Placement]) -> None:
        """Note which standings differ; nothing is admitted.

        Whether an entry is shown to judges is looked at again each minute (``visibility/admission.py``), and until then
        another answer of moderation is no difference.
        """
        for at in range(0, len(placements), PAGE_ENTRIES):
            self._compare_standings(placements[at : at + PAGE_ENTRIES])

    def _compare_standings(self, placements: Sequence[Placement]) -> None:
        ids = [str(one.entry_id) for one in placements]
        with away_is_temporary():
            pipeline = self.client.pipeline(transaction=False)
            for name in (keys.admitted, keys.elo, keys.entries):
                pipeline.hmget(name(self.crucible_id), ids)
            levels, ratings, rows = cast("list[list[bytes | None]]", pipeline.execute())
        standing: dict[int, tuple[str, int]] = {}
        for one, level, rating, text in zip(placements, levels, ratings, rows, strict=True):
            row = keys.entry_row(text)
            if row is not None and rating is not None and level is not None:
                with suppress(ValueError):  # no row of an entry, or no rating, which are told as such
                    created = msgspec.json.decode(row, type=_Created).created
                    standing[one.entry_id] = keys.standing(created, one.entry_id), -int(rating)
        if not standing:
            return
        with away_is_temporary():
            members = [member for member, _ in standing.values()]
            scores = self.client.zmscore(keys.standings(self.crucible_id), members)
        for (entry_id, (_, right)), score in zip(standing.items(), scores, strict=True):
            if score != right:
                self.note(RedisKind.STANDING, entry_id, score, right)

    def compare_sizes(self) -> None:
        """Note whether standings or pools hold others than those that are admitted, and what has a rating besides."""
        with away_is_temporary():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.hlen(keys.elo(self.crucible_id))
            pipeline.hlen(keys.votes(self.crucible_id))
            pipeline.hlen(keys.admitted(self.crucible_id))
            pipeline.zcard(keys.standings(self.crucible_id))
            for level in LEVELS:
                pipeline.scard(keys.pool(self.crucible_id, level))
            rated, voted, admitted, standing, *pooled = cast("list[int]", pipeline.execute())
        if rated != self._rated:
            self._note_others(RedisKind.RATING, keys.elo(self.crucible_id))
        if voted != self._voted:
            self._note_others(RedisKind.VOTES, keys.votes(self.crucible_id))
        if standing != admitted:
            self.note(RedisKind.STANDING, 0, standing, admitted)
        if sum(pooled) != admitted:
            self.note(RedisKind.POOLS, 0, sum(pooled), admitted)

    def _note_others(self, kind: RedisKind, name: str) -> None:
        """Note what a hash holds that is about no entry that Redis shows, or should: who reads it takes it for one."""
        with away_is_temporary():
            for field, shown in self.client.hscan_iter(name, count=PAGE_ENTRIES):
                text = field.decode(errors="replace")
                entry_id = int(text) if keys.is_id(field) else 0
                if entry_id not in self._known:
                    self.note(kind, entry_id, f"{text} with {shown.decode(errors='replace')}", None)


class CrucibleLook:
    """Looks at one crucible after the other.

    Args:
        client: Redis.
        session: PostgreSQL.
        history: votes and ratings in ClickHouse.
        undecided: whether an entry takes part about which nothing was decided; None: that is waited for.
    """

    def __init__(self, client: Client, session: Session, history: VoteHistory, undecided: bool | None) -> None:
        self._client, self._session, self._history, self._undecided = client, session, history, undecided

    def differing(self, crucible_id: int, *, finished: bool = False) -> set[CrucibleDifference]:
        """Return what Redis shows otherwise than the other stores say; at most so many.

        Args:
            crucible_id: one that Redis holds.
            finished: it takes no more votes, and only its own row is compared.

        Raises:
            TemporaryError: a neighbour is away.
        """
        row = site_crucible(self._session, crucible_id)
        if row is None:
            return {CrucibleDifference(RedisKind.GHOST, 0, "shown is a crucible, right is nothing")}
        observed = ObservedCrucible(self._client, crucible_id)
        marks = ReachedMarks(self._session, current_history(self._session))
        self._compare_state(observed, row, marks)
        if not finished:
            rows = SiteRows(self._session, marks, row, self._undecided)

            def ratings(after: int, until: int) -> dict[int, tuple[int, int]]:
                return self._history.ratings(crucible_id, after, until)

            show_rows(observed, rows, in_silence, ratings)
            observed.compare_sizes()
        return observed.found

    def _compare_state(self, observed: ObservedCrucible, row: CrucibleState, marks: ReachedMarks) -> None:
        fields = row.fields()
        names = [*fields, *keys.STATE_MARKS]
        with away_is_temporary():
            answer = cast("list[bytes | None]", self._client.hmget(keys.state(row.crucible_id), names))
        shown = {name: (text or b"").decode() for name, text in zip(names, answer, strict=True)}
        for name, right in fields.items():
            if shown[name] != right:
                observed.note(RedisKind.CRUCIBLE, 0, f"{name} {shown[name]}", right)
        held = {name: shown[name] for name in keys.STATE_MARKS if shown[name] or name == "mark"}
        for name, right in marks.kept(held).items():
            if held[name] != right:
                observed.note(RedisKind.MARK, 0, f"{name} {held[name]}", A_PLACE)

    def waiting(self, crucible_id: int) -> set[int]:
        """Return the entries of votes that may not be in ClickHouse yet.

        Raises:
            TemporaryError: Redis is away.
        """
        return set(_logged_entries(self._client, crucible_id))


def _logged_entries(client: Client, crucible_id: int) -> Iterator[int]:
    after = "-"
    while True:
        with away_is_temporary():
            page = cast(
                "list[tuple[bytes, Mapping[bytes, bytes]]]",
                client.xrange(keys.log(crucible_id), after, "+", PAGE_ENTRIES),
            )
        for _, fields in page:
            yield int(fields[b"w"])
            yield int(fields[b"l"])
        if len(page) < PAGE_ENTRIES:
            return
        after = f"({page[-1][0].decode()}"
