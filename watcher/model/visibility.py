"""Who may see what: an image's level, the judge's and the crucible's, and the site's moderation of the image.

Levels are bit flags: PG 1, PG13 2, R 4, X 8, XXX 16, Blocked 32. An image may carry several; it is seen by whoever
may see one of them. 0 means that nobody has rated it, and 32 that nobody may see it, whatever other bits it carries.
"""

from enum import Enum
from typing import Final

import msgspec

PG: Final = 1
ALL_LEVELS: Final = 31
"""Every level that somebody may choose."""
BLOCKED: Final = 32
SCANNED: Final = "Scanned"
"""The one state of ingestion in which the site shows an image to others than its owner."""


class Hidden(Enum):
    """Why an image is not shown. A closed set: it labels a counter."""

    GONE = "image_gone"
    BLOCKED = "blocked"
    UNRATED = "unrated"
    TOS_VIOLATION = "tos_violation"
    IN_REVIEW = "in_review"
    NOT_SCANNED = "not_scanned"
    OTHER_LEVEL = "other_level"
    """The crucible does not have the image's level."""
    KEPT_OUT = "kept_out"
    """The image is the entry's, and the entry does not take part; see ``entry_rules.py``."""


class Moderation(msgspec.Struct, frozen=True):
    """What the site says of an image, from the columns of its row."""

    nsfw_level: int
    tos_violation: bool
    needs_review: str | None
    ingestion: str
    blocked_for: str | None


def hidden(image: Moderation | None, crucible_level: int) -> Hidden | None:
    """Return why an image is not shown in a crucible; None if it is.

    Args:
        image: None if there is no such row.
        crucible_level: flags of the crucible.

    >>> shown = Moderation(nsfw_level=4, tos_violation=False, needs_review=None, ingestion="Scanned", blocked_for=None)
    >>> hidden(shown, 4 | 8), hidden(shown, 1).value
    (None, 'other_level')
    """
    if image is None:
        return Hidden.GONE
    reasons = (
        (Hidden.BLOCKED, image.nsfw_level & BLOCKED or image.blocked_for is not None),
        (Hidden.UNRATED, not 1 <= image.nsfw_level <= ALL_LEVELS),
        (Hidden.TOS_VIOLATION, image.tos_violation),
        (Hidden.IN_REVIEW, image.needs_review is not None),
        (Hidden.NOT_SCANNED, image.ingestion != SCANNED),
        (Hidden.OTHER_LEVEL, not image.nsfw_level & crucible_level),
    )
    return next((reason for reason, holds in reasons if holds), None)


def admitted_level(image: Moderation | None, crucible_level: int) -> int:
    """Return the exact level under which an image is in the crucible's pools, 1 to 31; 0 if it is in none."""
    return 0 if image is None or hidden(image, crucible_level) is not None else image.nsfw_level


def are_nsfw_comments_shown(levels: int) -> bool:
    """Return whether comments not safe for work are shown at these levels of a judge: not where that is PG alone.

    >>> are_nsfw_comments_shown(1), are_nsfw_comments_shown(3), are_nsfw_comments_shown(0)
    (False, True, False)
    """
    return bool(levels & ALL_LEVELS & ~PG)


def effective_level(requested: int | None, own: int, show_nsfw: bool, crucible: int) -> int:
    """Return the levels that a judge sees in a crucible; 0 if none.

    Args:
        requested: flags asked for with the request; None: all that the judge may see.
        own: flags of the judge's account.
        show_nsfw: whether the judge wants more than PG at all.
        crucible: flags of the crucible.

    >>> effective_level(31, 7, True, 5), effective_level(31, 7, False, 5), effective_level(2, 1, True, 31)
    (5, 1, 0)
    """
    allowed = own if show_nsfw else PG
    wanted = ALL_LEVELS if requested is None else requested
    return wanted & allowed & crucible & ALL_LEVELS
