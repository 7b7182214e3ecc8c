"""A drain plan: votes of a bucket's logs, named before they are written to ClickHouse.

The plan says which votes, by crucible, epoch and number. It lies in Redis while it is open, whoever sees it may carry
it out, and its name makes the insert's deduplication token. The same plan is the same votes, hence the same rows and
the same token: two who carry it out at once, or one after the other's death, write what one would have written.

A plan never crosses a month: its rows are one block in one partition of each table, hence there as a whole or not at
all.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from watcher.model.identity import digest, digested
from watcher.model.metric_row import MetricRow
from watcher.model.metric_rows import whole_month
from watcher.model.vote import LoggedVote

MAX_RANGES: Final = 2_000
"""Ranges of one plan. More: a longer plan in Redis, and a longer list in the question to ClickHouse; fewer: more plans
when very many crucibles get a vote at once."""

PLAN_VERSION: Final = 1
"""The version of a plan's text; a program that knows another one leaves the plan alone."""

VoteRow = tuple[int, int, int, int, int, int, int, int, int]
"""One row of ``crucible_entry_rating``, in the order of ``VOTE_COLUMNS``."""

VOTE_COLUMNS: Final = (
    "crucible_id",
    "winner_entry_id",
    "loser_entry_id",
    "user_id",
    "created_at",  # seconds since 1970
    "vote_epoch",
    "vote_seq",
    "winner_elo",
    "loser_elo",
)


class Range(NamedTuple):
    """Votes of one crucible and epoch, numbers without gaps."""

    crucible_id: int
    epoch: int
    first: int
    last: int
    """Both ends belong to it."""

    @property
    def votes(self) -> int:
        """Return how many votes the range holds."""
        return self.last - self.first + 1


class DrainPlan(msgspec.Struct, frozen=True, dict=True):
    """The votes that go to ClickHouse next, of one bucket."""

    ranges: tuple[Range, ...]

    @property
    def doubtful(self) -> bool:
        """Return True: somebody else may be carrying out the same plan at this moment."""
        return True

    @cached_property
    def token(self) -> str:
        """Return the stem of the deduplication tokens of the plan's inserts."""
        return f"votes/{blake2b(self.text, digest_size=16).hexdigest()}"

    @cached_property
    def text(self) -> bytes:
        """Return the plan as it lies in Redis; the same plan is the same text.

        >>> DrainPlan((Range(42, 1, 5, 9),)).text
        b'{"plan":1,"ranges":[[42,1,5,9]]}'
        """
        return msgspec.json.encode({"plan": PLAN_VERSION, "ranges": self.ranges})

    @property
    def votes(self) -> int:
        """Return how many votes all its ranges hold."""
        return sum(part.votes for part in self.ranges)


class _Text(msgspec.Struct):
    plan: int
    ranges: tuple[Range, ...]


def plan_from_text(text: bytes) -> DrainPlan | None:
    """Return the plan that lies in Redis, or None if it is not one of ours.

    >>> plan_from_text(DrainPlan((Range(42, 1, 5, 9),)).text)
    DrainPlan(ranges=(Range(crucible_id=42, epoch=1, first=5, last=9),))
    >>> plan_from_text(b"[]") is None
    True
    """
    try:
        found = msgspec.json.decode(text, type=_Text)
    except msgspec.DecodeError:
        return None
    return DrainPlan(found.ranges) if found.plan == PLAN_VERSION else None


class _Version(msgspec.Struct):
    plan: int


def plan_version(text: bytes) -> int | None:
    """Return the version that a plan says it has, or None if the text says none.

    >>> plan_version(b'{"plan":2,"votes":{}}')
    2
    >>> plan_version(b'{"plan":') is None
    True
    """
    try:
        return msgspec.json.decode(text, type=_Version).plan
    except msgspec.DecodeError:
        return None


def make_plan(heads: Mapping[int, Sequence[LoggedVote]], most: int) -> DrainPlan | None:
    """Return the plan of what goes next: of each log the oldest votes, if they are of the month of the first log's.

    Not of the oldest vote of all: after the clock was set back over the end of a month a log that others keep voting
    beside would wait for as long as they do.

    Args:
        heads: by crucible, its log's votes from the oldest on; the first crucibles' votes go first.
        most: votes that the plan may have.

    Returns:
        None if there is no vote.

    >>> vote = LoggedVote(epoch=1, seq=5, winner=7, loser=8, user_id=3, ms=0, winner_elo=1516, loser_elo=1484)
    >>> make_plan({42: [vote, vote._replace(seq=6)], 43: []}, 100)
    DrainPlan(ranges=(Range(crucible_id=42, epoch=1, first=5, last=6),))
    >>> make_plan({42: [vote, vote._replace(epoch=2, seq=1)]}, 100).ranges[1]
    Range(crucible_id=42, epoch=2, first=1, last=1)
    """
    first = next((votes[0].ms for votes in heads.values() if votes), None)
    if first is None:
        return None
    now, left, ranges = whole_month(first), most, list[Range]()
    for crucible_id, votes in heads.items():
        for part in _ranges(crucible_id, votes, now, left):
            ranges.append(part)
            left -= part.votes
        if left <= 0 or len(ranges) >= MAX_RANGES:
            break
    return DrainPlan(tuple(ranges[:MAX_RANGES]))


def _ranges(crucible_id: int, votes: Sequence[LoggedVote], of_month: range, most: int) -> Iterator[Range]:
    """Return the first votes of a log as ranges, up to the first of another month."""
    begun: LoggedVote | None = None
    end = 0
    for vote in votes[:most]:
        if vote.ms not in of_month:
            break
        if begun is None or vote.epoch != begun.epoch or vote.seq != end + 1:
            if begun is not None:
                yield Range(crucible_id, begun.epoch, begun.seq, end)
            begun = vote
        end = vote.seq
    if begun is not None:
        yield Range(crucible_id, begun.epoch, begun.seq, end)


def votes_of(plan: DrainPlan, heads: Mapping[int, Sequence[LoggedVote]]) -> dict[int, Sequence[LoggedVote]]:
    """Return a plan's votes from the heads that it was made of.

    >>> vote = LoggedVote(epoch=1, seq=5, winner=7, loser=8, user_id=3, ms=0, winner_elo=1516, loser_elo=1484)
    >>> votes_of(DrainPlan((Range(42, 1, 5, 5),)), {42: [vote, vote._replace(seq=6)], 43: []}) == {42: [vote]}
    True
    """
    counts = Counter[int]()
    for part in plan.ranges:
        counts[part.crucible_id] += part.votes
    return {crucible_id: heads[crucible_id][:votes] for crucible_id, votes in counts.items()}


def vote_rows(votes: Mapping[int, Sequence[LoggedVote]]) -> list[VoteRow]:
    """Return the rows of ``crucible_entry_rating`` that votes are.

    >>> vote = LoggedVote(epoch=1, seq=5, winner=7, loser=8, user_id=3, ms=1_999, winner_elo=1516, loser_elo=1484)
    >>> vote_rows({42: [vote]})
    [(42, 7, 8, 3, 1, 1, 5, 1516, 1484)]
    """
    return [
        (crucible_id, winner, loser, user_id, ms // 1000, epoch, seq, winner_elo, loser_elo)
        for crucible_id, log in votes.items()
        for epoch, seq, winner, loser, user_id, ms, winner_elo, loser_elo in log
    ]


def event_rows(votes: Mapping[int, Sequence[LoggedVote]]) -> list[MetricRow]:
    """Return the rows of ``entityMetricEvents``: each vote adds one to its crucible's votes, on behalf of its judge.

    >>> vote = LoggedVote(epoch=1, seq=5, winner=7, loser=8, user_id=3, ms=1_999, winner_elo=1516, loser_elo=1484)
    >>> event_rows({42: [vote]})[0][:9]
    ('Crucible', 42, 3, 'Vote', 1, 1999, 'vote', 42, 5)
    """
    of_epoch = {epoch: digested("vote", str(epoch)) for epoch in {vote.epoch for log in votes.values() for vote in log}}
    return [
        (
            "Crucible", crucible_id, user_id, "Vote", 1, ms, "vote", crucible_id, seq,
            digest(of_epoch[epoch](crucible_id, seq, ms * 1000)), 0,
        )
        for crucible_id, log in votes.items()
        for epoch, seq, _, _, user_id, ms, _, _ in log
    ]  # fmt: skip
