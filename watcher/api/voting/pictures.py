"""Images with what is said about them: whether one may be shown is asked each time, its comments are remembered."""

import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

from cachetools import TTLCache

from watcher.api.site_problem import site_problem
from watcher.model.errors import TemporaryError
from watcher.model.site_image import Remarks, SiteImage
from watcher.model.visibility import are_nsfw_comments_shown, hidden
from watcher.postgres.site.images import SiteImages

REMARKS_SECONDS: Final = 5.0
"""Seconds for which comments stand. Longer: a hidden one is shown for longer; shorter: more work for the database."""
MAX_REMEMBERED_IMAGES: Final = 20_000
"""Images whose comments are remembered."""

Picture = tuple[SiteImage, Remarks]
"""An image, and what is said about it."""


class Pictures:
    """The images of a site.

    Args:
        images: asks the site.
        address: of an image file; ``{url}`` in it stands for the name that the site gives the file, ``{id}`` for the
            image's id.
        clock: monotonic seconds.
    """

    def __init__(self, images: SiteImages, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._images, self._address = images, address
        self._remarks: TTLCache[tuple[int, bool], Remarks] = TTLCache(MAX_REMEMBERED_IMAGES, REMARKS_SECONDS, clock)

    async def look(self, image_ids: Sequence[int], levels: int) -> dict[int, Picture]:
        """Return images as they are now, with their comments of some seconds ago; those that are gone are missing.

        Args:
            image_ids: which.
            levels: what the asker sees in the crucible, as flags; they decide about comments, not about images.

        Raises:
            ProblemError: ``postgres_away`` or ``overloaded``.
        """
        nsfw = are_nsfw_comments_shown(levels)
        remembered = ((image_id, self._remarks.get((image_id, nsfw))) for image_id in image_ids)
        fresh = {image_id: remarks for image_id, remarks in remembered if remarks is not None}
        try:
            if len(fresh) == len(image_ids):
                images = await self._images.images(image_ids)
                return {image_id: (image, fresh[image_id]) for image_id, image in images.items()}
            found = await self._images.commented(image_ids, nsfw=nsfw)
        except TemporaryError as error:
            raise site_problem(error) from error
        for image_id, (_, remarks) in found.items():
            self._remarks[image_id, nsfw] = remarks
        return found

    async def moderation(self, image_ids: Sequence[int]) -> dict[int, SiteImage]:
        """Return images as they are now, without comments; those that are gone are missing.

        Raises:
            ProblemError: ``postgres_away`` or ``overloaded``.
        """
        try:
            return await self._images.images(image_ids)
        except TemporaryError as error:
            raise site_problem(error) from error

    async def look_at(self, image_id: int, levels: int) -> Picture | None:
        """Return one image as it is now, with its comments of some seconds ago; None if it is gone.

        Args:
            image_id: which.
            levels: as :meth:`look` takes them.

        Raises:
            ProblemError: ``postgres_away`` or ``overloaded``.
        """
        return (await self.look([image_id], levels)).get(image_id)

    def address(self, image: SiteImage) -> str:
        """Return where an image's file is."""
        return self._address.replace("{id}", str(image.id)).replace("{url}", quote(image.url, safe="/:"))


def is_visible(image: SiteImage, crucible_level: int, levels: int) -> bool:
    """Return whether somebody may see an image in a crucible.

    Args:
        image: as it is now.
        crucible_level: levels that the crucible allows, as flags.
        levels: levels that somebody sees there, as flags.
    """
    return hidden(image, crucible_level) is None and bool(image.nsfw_level & levels)
