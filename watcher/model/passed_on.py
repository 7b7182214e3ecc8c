"""What it costs a judge that an open pair is passed on, because one of its images is not shown to the judge any more.

Where the images are as they were, it is the judge's view that has changed: by the question, the token or the account.
Each of them is the judge's to change, and to change back. So passing the pair on is a skip then; else a session that
shows less, beside another one, would draw new pairs without end.
"""

from collections.abc import Collection, Iterable

from watcher.model.open_pairs import OPEN_AT_ONCE, OpenPair
from watcher.model.visibility import Moderation, admitted_level

PairImages = Collection[Moderation | None]
"""Both images of a pair as they are now; None for one that is gone."""


def _are_shown(images: PairImages, levels: int) -> bool:
    """Return whether whoever sees these levels sees all of these images."""
    return all(admitted_level(image, levels) for image in images)


def is_skip(opened: OpenPair, images: PairImages, crucible_level: int) -> bool:
    """Return whether passing an open pair on counts as a skip: its images could be shown still as it was opened.

    Args:
        opened: the pair, with the levels under which it was chosen.
        images: as they are now.
        crucible_level: flags of the crucible as they are now.

    >>> image = Moderation(nsfw_level=4, tos_violation=False, needs_review=None, ingestion="Scanned", blocked_for=None)
    >>> opened = OpenPair(left=5, right=9, level=7, expires=0)
    >>> is_skip(opened, [image, image], 31), is_skip(opened, [image, image], 1), is_skip(opened, [image, None], 31)
    (True, False, False)
    """
    return _are_shown(images, opened.level & crucible_level)


def lent_skips(passed_on: Iterable[PairImages], account_level: int) -> int:
    """Return how many skips a judge may have too many, which are made up for by judging.

    As many as pairs can be open, if the judge's account does not show one of those passed on: there is no other way to
    go on then.

    Args:
        passed_on: images of each pair that is passed on.
        account_level: flags of all that the judge may see.

    >>> image = Moderation(nsfw_level=4, tos_violation=False, needs_review=None, ingestion="Scanned", blocked_for=None)
    >>> lent_skips([[image, image]], 7), lent_skips([[image, image]], 1)
    (0, 2)
    """
    is_barred = any(not _are_shown(images, account_level) for images in passed_on)
    return OPEN_AT_ONCE if is_barred else 0
