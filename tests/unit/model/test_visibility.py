"""Who may see what."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.visibility import Hidden, Moderation, admitted_level, effective_level, hidden

SHOWN = Moderation(nsfw_level=1, tos_violation=False, needs_review=None, ingestion="Scanned", blocked_for=None)
levels = st.integers(0, 63)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, None),
        ({"nsfw_level": 3}, None),
        ({"nsfw_level": 0}, Hidden.UNRATED),
        ({"nsfw_level": -1}, Hidden.BLOCKED),
        ({"nsfw_level": 64}, Hidden.UNRATED),
        ({"nsfw_level": 32}, Hidden.BLOCKED),
        ({"nsfw_level": 33}, Hidden.BLOCKED),
        ({"blocked_for": ""}, Hidden.BLOCKED),
        ({"tos_violation": True}, Hidden.TOS_VIOLATION),
        ({"needs_review": "minor"}, Hidden.IN_REVIEW),
        ({"ingestion": "Pending"}, Hidden.NOT_SCANNED),
        ({"ingestion": "Rescan"}, Hidden.NOT_SCANNED),
        ({"nsfw_level": 16}, Hidden.OTHER_LEVEL),
    ],
)
def test_each_column_of_the_image_can_hide_it(columns: dict[str, Any], reason: Hidden | None) -> None:
    """One column is enough; an image that Blocked and an allowed bit share is blocked."""
    assert hidden(msgspec.structs.replace(SHOWN, **columns), crucible_level=7) == reason


def test_an_image_without_a_row_is_hidden() -> None:
    """The site deletes images; the entry's own deletion may come later."""
    assert hidden(None, 31) is Hidden.GONE


@given(levels, levels)
def test_an_admitted_level_is_visible_to_somebody_and_nothing_else_is(level: int, crucible: int) -> None:
    """A pool is named by the exact level, so that a mask finds the pools that it intersects."""
    image = msgspec.structs.replace(SHOWN, nsfw_level=level)

    admitted = admitted_level(image, crucible)

    assert admitted == (level if level & crucible and level < 32 else 0)


@given(st.none() | levels, levels, st.booleans(), levels)
def test_a_judge_sees_no_more_than_everybody_allows(
    requested: int | None, own: int, show_nsfw: bool, crucible: int
) -> None:
    """Never Blocked, never beyond the request or the crucible, and nothing but PG for who wants no more."""
    seen = effective_level(requested, own, show_nsfw, crucible)

    assert seen & ~31 == 0
    assert seen & ~crucible == 0
    assert requested is None or seen & ~requested == 0
    assert seen & ~(own if show_nsfw else 1) == 0
