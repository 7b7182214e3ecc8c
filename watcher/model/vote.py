"""A vote, what comes of it, and why it may be refused."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Vote(msgspec.Struct, frozen=True, gc=False):
    """A judge's choice between two entries of a crucible."""

    crucible_id: int
    user_id: int
    winner: int
    """Id of the entry that the judge prefers."""
    loser: int


class VoteOutcome(msgspec.Struct, frozen=True, gc=False):
    """What a vote that counts came to; its repeat gets the same, but for ``repeated``."""

    winner_elo: int
    """Rating after the vote."""
    loser_elo: int
    winner_delta: int
    """Points that went from the loser to the winner."""
    epoch: int
    seq: int
    """Place of the vote in its crucible, with the epoch before it."""
    ms: int
    """When it counted, by Redis' clock: milliseconds since 1970, UTC."""
    repeated: bool
    """The judge had cast this vote before; nothing was written."""
    opened: bool = False
    """Pairs are open to the judge, of which this was the first."""


class LoggedVote(NamedTuple):
    """A vote as the log and ClickHouse have it."""

    epoch: int
    seq: int
    winner: int
    loser: int
    user_id: int
    ms: int
    """When it counted: milliseconds since 1970, UTC."""
    winner_elo: int
    """Rating after the vote."""
    loser_elo: int


VotesByCrucible = Mapping[int, Sequence[LoggedVote]]
"""Logged votes by crucible, each crucible's in their order."""


class VoteRefusal(StrEnum):
    """Why a vote does not count. The values are part of the API: clients tell them apart."""

    # Found by the script, in this order.
    SAME_ENTRY = "same_entry"
    """Winner and loser are one entry."""
    ABSENT = "absent"
    """Redis does not hold the crucible: never seen, lost, or finished long ago."""
    UNVERIFIED = "unverified"
    """Redis is not the process that was last compared with the other stores, or a rebuild is under way. Ask again."""
    JUDGED_OTHERWISE = "judged_otherwise"
    """This judge has preferred the other one of the two before."""
    NOT_ACTIVE = "not_active"
    FROZEN = "frozen"
    """The crucible's result is being worked out: no vote counts any more, whatever its clock says."""
    NOT_STARTED = "not_started"
    ENDED = "ended"
    PAIR_TOKEN_EARLY = "pair_token_early"  # noqa: S105 - a code, not a secret
    """The pair follows another one, which is neither judged nor skipped."""
    PAIR_TOKEN_STALE = "pair_token_stale"  # noqa: S105
    """The pair is not open to the judge any more."""
    UNKNOWN_ENTRY = "unknown_entry"
    """One of the two is not, or no more, in the crucible."""
    NOT_ADMITTED = "not_admitted"
    """One of the two may not be shown to judges."""
    OWN_ENTRY = "own_entry"
    """One of the two is the judge's."""
    BACKLOG = "backlog"
    """Too many votes wait for ClickHouse. Ask again."""

    # Found before the script was asked, which then only looks for a repeat.
    RATE_LIMITED = "rate_limited"
    PAIR_TOKEN_EXPIRED = "pair_token_expired"  # noqa: S105 - a code, not a secret
    JUDGE_REQUIREMENT_UNMET = "judge_requirement_unmet"
    JUDGE_REQUIREMENT_UNKNOWN = "judge_requirement_unknown"


def pair_field(one: int, other: int) -> str:
    """Return the name of a pair, the same whichever way round.

    >>> pair_field(9, 10), pair_field(10, 9)
    ('9:10', '9:10')
    """
    return f"{one}:{other}" if one < other else f"{other}:{one}"
