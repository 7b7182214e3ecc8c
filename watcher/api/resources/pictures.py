"""Images with what is said about them: whether one may be shown is asked each time, its comments are remembered."""

import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

from watcher.api.http.problem import ProblemError
from watcher.api.remembered import Remembered
from watcher.api.resources.bodies import CommentBody, ImageBody, moment
from watcher.model.errors import TemporaryError
from watcher.model.site_image import Remark, Remarks, SiteImage
from watcher.postgres.site.images import SiteImages

REMARKS_FOR: Final = 5.0
"""Seconds for which comments stand. Longer: a hidden one is shown for longer; shorter: more work for the database."""
REMEMBERED: Final = 20_000
"""Images whose comments are remembered."""

Picture = tuple[SiteImage, Remarks]


class Pictures:
    """The images of a site.

    Args:
        images: asks the site.
        address: of an image file; ``{url}`` in it stands for the name that the site gives the file, ``{id}`` for the
            image's id.
        clock: monotonic seconds.
    """

    def __init__(self, images: SiteImages, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._images, self._address, self._clock = images, address, clock
        self._remarks = Remembered[int, tuple[float, Remarks]](REMEMBERED)

    async def look(self, image_ids: Sequence[int]) -> dict[int, Picture]:
        """Images as they are now, with their comments of some seconds ago; those that are gone are missing.

        Raises:
            ProblemError: the site does not answer.
        """
        now = self._clock()
        fresh = {
            image_id: known[1]
            for image_id in image_ids
            if (known := self._remarks.get(image_id)) is not None and known[0] > now
        }
        try:
            if len(fresh) == len(image_ids):
                images = await self._images.images(image_ids)
                return {image_id: (image, fresh[image_id]) for image_id, image in images.items()}
            found = await self._images.commented(image_ids)
        except TemporaryError as error:
            raise ProblemError("postgres_away") from error
        for image_id, (_, remarks) in found.items():
            self._remarks.put(image_id, (now + REMARKS_FOR, remarks))
        return found

    async def moderation(self, image_ids: Sequence[int]) -> dict[int, SiteImage]:
        """Images as they are now, without comments.

        Raises:
            ProblemError: the site does not answer.
        """
        try:
            return await self._images.images(image_ids)
        except TemporaryError as error:
            raise ProblemError("postgres_away") from error

    def body(self, image: SiteImage) -> ImageBody:
        """The image as the API shows it."""
        address = self._address.replace("{id}", str(image.id)).replace("{url}", quote(image.url, safe="/:"))
        return ImageBody(
            url=address,
            type="video" if image.type == "video" else "image",
            width=image.width,
            height=image.height,
            nsfwLevel=image.nsfw_level,
        )


def comment_body(remark: Remark) -> CommentBody:
    """The comment below an image, as the API shows it; whose it is does not matter there."""
    return CommentBody(text=remark.text, reactions=remark.reactions, createdAt=moment(remark.created_ms))
