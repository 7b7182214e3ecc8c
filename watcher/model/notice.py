"""One thing that one user is told, as the site's notification system takes it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec


class NoticeType(StrEnum):
    """What users can switch off; the site has a processor for each."""

    ENDED = "crucible-ended"
    """How a crucible ended: a place, the end of one's own crucible, or that it was cancelled."""
    REWARD = "crucible-reward-earned"
    """A prize."""


class NoticeCategory(StrEnum):
    """Under which tab the site shows it. There is none for crucibles: the service refuses any other name."""

    BUZZ = "Buzz"
    OTHER = "Other"


CATEGORIES: Final[Mapping[NoticeType, NoticeCategory]] = {
    NoticeType.ENDED: NoticeCategory.OTHER,
    NoticeType.REWARD: NoticeCategory.BUZZ,
}
"""The category of each type."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What one user is told."""

    key: str
    """Its name, once and for all: told twice under one key, it is told once. Made of ids that never change."""
    type: NoticeType
    user_id: int
    message: str
    """For people, in English."""
    url: str
    """Where it leads to, below the site's address."""
    details: Mapping[str, Any]
    """What the site's processor makes a message of."""

    @property
    def category(self) -> NoticeCategory:
        """Return the category of its type."""
        return CATEGORIES[self.type]
