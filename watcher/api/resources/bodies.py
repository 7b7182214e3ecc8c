"""What goes over the wire, as types.

Requests are decoded and answers encoded by these, and the OpenAPI file is built from them: it cannot say anything else.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

LARGEST_ID: Final = 2_147_483_647
"""The site's ids are 32-bit integers."""

EntryId = Annotated[int, Meta(ge=1, le=LARGEST_ID, description="Id of an entry.")]
Moment = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]
Status = Literal["Pending", "Active", "Completed", "Cancelled"]


class VoteBody(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A judge's choice between the two entries of a served pair."""

    winner: EntryId
    loser: EntryId
    token: Annotated[str, Meta(max_length=512, description="The token that came with the pair.")] | None = None


class Side(Struct, frozen=True, gc=False):
    """What the vote came to for one of the two."""

    entryId: EntryId  # noqa: N815 - the wire's spelling
    rating: int
    """After the vote."""
    delta: int
    """Points won or lost."""


class VoteAnswer(Struct, frozen=True, gc=False):
    """The vote, as it counted. Sent again, the same vote gets the same answer."""

    winner: Side
    loser: Side
    epoch: int
    seq: int
    """Place of the vote in its crucible, with the epoch before it."""
    votedAt: Moment  # noqa: N815


class ImageBody(Struct, frozen=True):
    """An image that the asker may see."""

    url: str
    type: Literal["image", "video"]
    """A video is to be played without sound."""
    width: int | None
    height: int | None
    nsfwLevel: int  # noqa: N815


class CommentBody(Struct, frozen=True):
    """The comment with the most reactions, as plain text."""

    text: str
    reactions: int
    createdAt: Moment  # noqa: N815


class ListedComment(Struct, frozen=True):
    """A comment as plain text: its markup is taken out, and what looks like markup is text."""

    text: str
    reactions: int
    createdAt: Moment  # noqa: N815
    author: str | None
    """Name of who wrote it."""
    commentId: int  # noqa: N815
    replyTo: int | None  # noqa: N815
    """The comment that this one replies to."""


class PairSide(Struct, frozen=True):
    """One of the two. Who made it, its rating and its votes are not told: they would sway the judge."""

    entryId: EntryId  # noqa: N815
    image: ImageBody
    topComment: CommentBody | None  # noqa: N815
    commentCount: int  # noqa: N815


class PairAnswer(Struct, frozen=True):
    """Two entries to judge, and the token that a vote on them needs."""

    left: PairSide
    right: PairSide
    token: str
    expiresAt: Moment  # noqa: N815


class JudgeOfCrucible(Struct, frozen=True):
    """What the asker did in this crucible."""

    votes: int


class CrucibleAnswer(Struct, frozen=True):
    """A crucible."""

    id: int
    name: str
    status: Status
    startAt: Moment | None  # noqa: N815
    endAt: Moment | None  # noqa: N815
    nsfwLevel: int  # noqa: N815
    entries: int
    """Entries that take part."""
    votes: int
    judges: int | None
    """People who voted; None for a crucible that only the site's database still has."""
    me: JudgeOfCrucible | None


class Standing(Struct, frozen=True, gc=False):
    """An entry in its place."""

    rank: int
    entryId: EntryId  # noqa: N815
    rating: int
    votes: int


class StandingsAnswer(Struct, frozen=True):
    """A page of the standings: rating, then age, then id decide."""

    entries: list[Standing]
    total: int
    next: int | None
    """The ``offset`` of the next page; None on the last one."""
    final: bool
    """Whether this can still change."""


class StandingsEvent(Struct, frozen=True):
    """The top of the standings, as the stream sends it with each change."""

    entries: list[Standing]
    total: int


class EntryAnswer(Struct, frozen=True):
    """An entry."""

    entryId: EntryId  # noqa: N815
    rank: int | None
    """None: not admitted, so without a place."""
    rating: int
    votes: int
    image: ImageBody | None
    """None: outside the levels that the asker sees, or withdrawn."""
    commentCount: int | None  # noqa: N815


class HistoryPoint(Struct, frozen=True, gc=False):
    """A rating, and when it was reached."""

    at: Moment
    rating: int
    votes: int
    """Votes of the entry up to and including this one."""


class HistoryAnswer(Struct, frozen=True):
    """How an entry's rating went. A long history is thinned out; the last point is always the last vote."""

    entryId: EntryId  # noqa: N815
    points: list[HistoryPoint]
    votes: int


class CommentsAnswer(Struct, frozen=True):
    """A page of comments, those with the most reactions first."""

    comments: list[ListedComment]
    total: int
    next: str | None
    """The ``cursor`` of the next page; None on the last one."""


class JudgedCrucible(Struct, frozen=True):
    """What a judge did in one crucible."""

    crucibleId: int  # noqa: N815
    votes: int
    firstVoteAt: Moment  # noqa: N815
    lastVoteAt: Moment  # noqa: N815


class JudgeAnswer(Struct, frozen=True):
    """The asker as a judge. Votes of the last second may be missing."""

    votes: int
    influence: int
    """Ten times the square root of the votes, rounded."""
    percentile: int | None
    """In which percent of all judges by votes, 1 being the most active; None without votes, or without others."""
    crucibles: list[JudgedCrucible]
    """Those judged last, a hundred at most."""


def moment(ms: int) -> str:
    """A time for the wire.

    Args:
        ms: milliseconds since 1970, UTC.

    >>> moment(1_760_000_000_123)
    '2025-10-09T08:53:20.123Z'
    """
    seconds, rest = divmod(ms, 1000)
    return f"{_to_the_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    """Votes of one second say it thousands of times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]


encode: Final = msgspec.json.Encoder().encode
