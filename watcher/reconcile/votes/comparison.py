"""Compares votes by epoch and number with themselves and with their metric events: each once, none without the other.

Crucibles are compared by sums first. Only those whose numbers are no unbroken row, whose events are not those of their
votes, or that have fewer votes than Redis has counted, are looked at vote by vote. What is on its way is left out: a
vote that still lies in Redis' log.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.vote_history import Span
from watcher.model.drain_plan import VoteRow
from watcher.model.vote import LoggedVote
from watcher.reconcile.difference_reports import DifferenceReports
from watcher.reconcile.votes.redis_votes import VotesElsewhere
from watcher.recovery.vote_gaps import EXPIRING_SECONDS, gaps

VOTES: Final = "crucible_entry_rating"
EVENTS: Final = "entityMetricEvents"
KEPT_SECONDS: Final = 88 * 24 * 3600
"""Age up to which votes are compared with their events: two days less than the votes' TTL. More: what is expiring would
be told as missing."""
SPAN_VOTES: Final = 250_000
"""Numbers of one question. More: more memory in ClickHouse; fewer: more questions."""
MAX_VOTES: Final = 1_000
"""Votes that are looked at in detail, and mended together. More: longer statements; fewer: more of them."""
PART_VOTES: Final = 1_000_000
PART_CRUCIBLES: Final = 10_000
"""Votes, and crucibles, of a part of a round. More: a part takes longer than a second; fewer: more questions."""
EVERY_CRUCIBLE: Final = range(-(2**31), 2**32)
"""Every id that a crucible may have in ClickHouse."""
LOOK_SECONDS: Final = 2.0
"""Seconds between two looks that have to agree. Shorter: what is on its way would be told as a difference."""
LAST: Final = (2**32 - 1, 2**64 - 1)
"""A place behind every vote."""


class VoteKind(StrEnum):
    """How votes and their events are wrong."""

    TWICE = "vote there twice"
    NUMBER_TWICE = "number given twice"
    """Different votes have the same number: nobody can tell which of them counted."""
    MISSING = "vote missing"
    """Its number is passed over, it is not past its time, and nobody knows any more what was voted."""
    ONLY_IN_REDIS = "vote that only Redis has"
    """It was counted and answered, and Redis knows all of it; its number may be passed over, or be the last."""
    WITHOUT_EVENT = "vote without event"
    EVENT_TWICE = "vote's event there twice"
    WITHOUT_VOTE = "event without vote"
    """There is an event and no vote; nobody can tell who won."""


DERIVABLE: Final = frozenset({VoteKind.TWICE, VoteKind.ONLY_IN_REDIS, VoteKind.WITHOUT_EVENT, VoteKind.EVENT_TWICE})


class VoteCopies(NamedTuple):
    """A number that several votes have."""

    epoch: int
    seq: int
    copies: int
    different: int
    """How many different votes have it; 1: it is the same one each time."""
    winner: int
    loser: int
    judge: int
    second: int
    winner_elo: int
    loser_elo: int

    def said(self, crucible_id: int) -> str:
        """Return the difference in words."""
        return f"vote {self.epoch}-{self.seq} of crucible {crucible_id}"

    def row(self, crucible_id: int) -> VoteRow:
        """Return one of the copies as a row of the table."""
        return (
            crucible_id, self.winner, self.loser, self.judge, self.second, self.epoch, self.seq, self.winner_elo,
            self.loser_elo,
        )  # fmt: skip


class EventGap(NamedTuple):
    """A vote that has no metric event, or more than one; or events that have no vote."""

    judge: int
    seq: int
    second: int
    votes: int
    """How many votes there are of that judge, number and second."""
    events: int
    """What their events add up to."""
    at: int
    """When the events are dated, in milliseconds; 0 if there are none."""
    repairs: int
    """How many of the events are of earlier repairs."""
    epoch: int

    @property
    def kind(self) -> VoteKind:
        """Return in which way it is wrong."""
        if not self.votes:
            return VoteKind.WITHOUT_VOTE
        return VoteKind.EVENT_TWICE if self.events > self.votes else VoteKind.WITHOUT_EVENT

    @property
    def dated_ms(self) -> int:
        """Return when an event of it is dated, in milliseconds since 1970."""
        return self.at or self.second * 1000

    def said(self, crucible_id: int) -> str:
        """Return the difference in words."""
        return f"vote {self.seq} of judge {self.judge} in crucible {crucible_id}: counted {self.events}"


def said_of(crucible_id: int, vote: LoggedVote) -> str:
    """Return a vote in words."""
    return (
        f"vote {vote.epoch}-{vote.seq} of crucible {crucible_id}: judge {vote.user_id} preferred {vote.winner} to "
        f"{vote.loser}"
    )


class VoteComparison:
    """Compares the votes of all crucibles.

    Args:
        reads: asks ClickHouse.
        head: returns epoch and number of the oldest vote of a crucible that may not be in ClickHouse yet; none: None.
        elsewhere: knows votes that ClickHouse may lack.
        pause: waits for some seconds.
        now: seconds since 1970.
    """

    def __init__(
        self,
        reads: ClickHouseReads,
        head: Callable[[int], tuple[int, int] | None],
        elsewhere: VotesElsewhere,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reads, self._head, self._elsewhere, self._pause = reads, head, elsewhere, pause
        self._since, self._expiring = int(now()) - KEPT_SECONDS, int(now()) - EXPIRING_SECONDS

    def doubtful(self, among: range = EVERY_CRUCIBLE) -> list[int]:
        """Return the crucibles whose sums say that something may be wrong, ascending.

        Args:
            among: ids that are looked at.

        Raises:
            TemporaryError: a neighbour is away.
        """
        asked = {"low": among.start, "high": among.stop}
        numbers = {int(one) for (one,) in self._reads("vote_numbers_off", asked)}
        events = {int(one) for (one,) in self._reads("vote_events_off", {"since": self._since, **asked})}
        return sorted(numbers.union(events, self._elsewhere.short(among)))

    def part(self, first: int) -> range:
        """Return the ids of the next crucibles that have about so many votes together, from one id on.

        The last part is without an end: there are no votes behind it.

        Raises:
            TemporaryError: ClickHouse is away.
        """
        votes = 0
        rows = self._reads("votes_of_crucibles", {"first": first, "most": PART_CRUCIBLES})
        for crucible_id, more in rows:
            votes += int(more)
            if votes >= PART_VOTES:
                return range(first, int(crucible_id) + 1)
        end = EVERY_CRUCIBLE.stop if len(rows) < PART_CRUCIBLES else int(rows[-1][0]) + 1
        return range(first, end)

    def look(self, crucible_id: int, findings: DifferenceReports) -> None:
        """Add what is wrong with the votes of a crucible.

        Raises:
            TemporaryError: a neighbour is away.
        """
        for one in self.copies(crucible_id):
            kind = VoteKind.TWICE if one.different == 1 else VoteKind.NUMBER_TWICE
            said = one.said(crucible_id)
            findings.add(VOTES, kind, said, rows=one.copies - 1, derivable=kind in DERIVABLE)
        self._look_at_missing(crucible_id, findings)
        for gap in self.event_gaps(crucible_id):
            rows = abs(gap.votes - gap.events)
            findings.add(EVENTS, gap.kind, gap.said(crucible_id), rows=rows, derivable=gap.kind in DERIVABLE)

    def _look_at_missing(self, crucible_id: int, findings: DifferenceReports) -> None:
        gaps = self.missing(crucible_id)
        known = Counter[tuple[int, int, int, int]]()
        for some in self.only_elsewhere(crucible_id):
            findings.add(VOTES, VoteKind.ONLY_IN_REDIS, said_of(crucible_id, some[0]), rows=len(some))
            known.update(gap for gap in gaps for one in some if gap[0] == one.epoch and gap[1] <= one.seq <= gap[2])
        for gap in gaps:
            epoch, first, last, votes = gap
            if left := max(0, votes - known[gap]):
                said = f"{left} of votes {epoch}-{first} to {epoch}-{last} of crucible {crucible_id}"
                findings.add(VOTES, VoteKind.MISSING, said, rows=left, derivable=False)

    def only_elsewhere(self, crucible_id: int) -> Iterator[Sequence[LoggedVote]]:
        """Yield votes of a crucible that were counted and that ClickHouse lacks, some at a time.

        Raises:
            TemporaryError: a neighbour is away.
        """
        return self._elsewhere.missing(crucible_id)

    def lacks(self, crucible_id: int) -> bool:
        """Return whether ClickHouse lacks votes of a crucible that were counted, whoever else still knows of them.

        Raises:
            TemporaryError: a neighbour is away.
        """
        return bool(self.missing(crucible_id)) or any(True for _ in self.only_elsewhere(crucible_id))

    def copies(self, crucible_id: int) -> list[VoteCopies]:
        """Return numbers that are there several times, those of one vote first: MAX_VOTES at most."""
        rows = self._reads("votes_twice", {"crucible": crucible_id, "most": MAX_VOTES})
        return [VoteCopies(*map(int, row)) for row in rows]

    def missing(self, crucible_id: int) -> list[tuple[int, int, int, int]]:
        """Return where numbers are passed over that age does not explain: epoch, first and last, how many of them."""
        rows = self._reads("distinct_vote_spans", {"crucible": crucible_id, "most": SPAN_VOTES})
        spans = [Span(*map(int, row)) for row in rows]
        return list(self._counted_gaps(spans))

    def _counted_gaps(self, spans: Sequence[Span]) -> Iterator[tuple[int, int, int, int]]:
        there = {(span.epoch, span.first - 1): span for span in spans}
        for epoch, after in gaps(list(spans), self._expiring):
            span = there.get((epoch, after))
            if span is not None:
                yield epoch, span.first, span.last, span.last - span.first + 1 - span.votes
            else:  # between two spans, and perhaps within the second as well
                follows = min(one.first for one in spans if one.epoch == epoch and one.first > after)
                yield epoch, after + 1, follows - 1, follows - after - 1

    def event_gaps(self, crucible_id: int) -> list[EventGap]:
        """Return votes without just one event, and events without a vote, as two looks found them: MAX_VOTES at most.

        Raises:
            TemporaryError: a neighbour is away.
        """
        found = self._event_gaps(crucible_id, LAST)
        if not found:
            return []
        head = self._head(crucible_id) or LAST  # after the look: what has left the log since has its events by now
        self._pause(LOOK_SECONDS)
        again = set(self._event_gaps(crucible_id, head))
        return [one for one in found if one in again]

    def _event_gaps(self, crucible_id: int, before: tuple[int, int]) -> list[EventGap]:
        epoch, seq = before
        rows = self._reads(
            "votes_against_events",
            {"crucible": crucible_id, "since": self._since, "epoch": epoch, "seq": seq, "most": MAX_VOTES},
        )
        return [EventGap(*map(int, row)) for row in rows]
