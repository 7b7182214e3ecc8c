"""Small types that bodies of several resources are made of, and how bodies become bytes."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from watcher.model.entry_verdict import SENTENCES, EntryReason
from watcher.model.site_image import SiteImage

MAX_ID: Final = 2_147_483_647
"""The site's ids are 32-bit integers."""

EntryId = Annotated[int, Meta(ge=1, le=MAX_ID, description="Id of an entry.")]
MomentText = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]


class ImageBody(Struct, frozen=True):
    """An image that the asker may see."""

    url: str
    type: Literal["image", "video"]
    """A video is to be played without sound."""
    width: int | None
    height: int | None
    nsfwLevel: int  # noqa: N815 - the wire's spelling


class Standing(Struct, frozen=True, gc=False):
    """An entry in its place."""

    rank: int
    entryId: EntryId  # noqa: N815
    rating: int
    votes: int


class FeeBody(Struct, frozen=True):
    """An amount of Buzz."""

    amount: int
    currency: Literal["yellow"] = "yellow"
    """The kind of Buzz."""


class ReasonBody(Struct, frozen=True):
    """Why an entry is not admitted, or not yet."""

    code: EntryReason
    """For programs; it does not change."""
    sentence: str
    """For people."""


EndingStatus = Literal["frozen", "settling", "completed", "cancelled"]
"""``frozen``: votes are over; ``settling``: all of them are counted once more and compared; then one of the others."""


class Place(Struct, frozen=True):
    """A place of a result."""

    position: int
    entryId: EntryId  # noqa: N815
    rating: int | None
    """None of an entry that was removed since; so the number of votes."""
    votes: int | None
    prize: FeeBody | None
    """None of a place that gets none."""


class ProofBody(Struct, frozen=True):
    """What shows that a result follows from the votes."""

    digest: str
    """SHA-256 in hexadecimal over `entry:rating:votes` and a line feed, of each entry with a vote, by ascending id."""
    votes: int
    """Number of votes that were cast again."""


class Ending(Struct, frozen=True, kw_only=True):
    """How a crucible ends."""

    status: EndingStatus
    frozenAt: MomentText | None = None  # noqa: N815
    """When votes stopped to count."""
    settledAt: MomentText | None = None  # noqa: N815
    """When the result was written; nothing of it changes afterwards."""
    pool: FeeBody | None = None
    """What was collected for entries that take part."""
    paid: FeeBody | None = None
    """What the prizes come to."""
    remainder: FeeBody | None = None
    """What of the pool nobody gets."""
    refunded: FeeBody | None = None
    """What went back, of a crucible that was cancelled."""
    podium: list[Place] = []
    """The first three places, and all with a prize."""
    proof: ProofBody | None = None


def reason_bodies(reasons: Iterable[EntryReason]) -> list[ReasonBody]:
    """Return reasons as bodies have them."""
    return [ReasonBody(reason, SENTENCES[reason]) for reason in reasons]


def image_body(image: SiteImage, address: str) -> ImageBody:
    """Return an image as bodies have it.

    Args:
        image: as the site has it.
        address: of its file.
    """
    return ImageBody(
        url=address,
        type="video" if image.type == "video" else "image",
        width=image.width,
        height=image.height,
        nsfwLevel=image.nsfw_level,
    )


def moment(ms: int) -> str:
    """Return a time as bodies have it.

    Args:
        ms: milliseconds since 1970, UTC.

    >>> moment(1_760_000_000_123)
    '2025-10-09T08:53:20.123Z'
    """
    seconds, rest = divmod(ms, 1000)
    return f"{_to_the_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    """Return a time without its zone; votes of one second ask for it thousands of times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]


encode: Final = msgspec.json.Encoder().encode
"""Returns a body as JSON."""
