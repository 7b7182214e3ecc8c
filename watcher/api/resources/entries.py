"""One entry: its place, its image, what is said about it. Whether the asker may see the image is looked up afresh."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from watcher.api.http.guard import Answer, Ask
from watcher.api.http.problem import ProblemError
from watcher.api.resources.asking import asked, asked_together
from watcher.api.resources.bodies import LARGEST_ID, CommentsAnswer, EntryAnswer, ListedComment, encode, moment
from watcher.api.resources.crucibles import Crucible, Crucibles
from watcher.api.resources.pictures import Pictures
from watcher.model.errors import TemporaryError
from watcher.model.site_image import Place, SiteImage
from watcher.model.visibility import effective_level, hidden
from watcher.postgres.site.images import SiteImages
from watcher.redis import keys
from watcher.redis.link import Link

CURSOR: Final = r"[0-9]{1,10}\.[0-9]{1,15}\.[0-9]{1,10}"
"""What a cursor looks like: reactions, time and id of the last comment of the page before."""


class Found(msgspec.Struct, frozen=True):
    """An entry."""

    id: int
    image_id: int
    rating: int
    votes: int
    rank: int | None


class _Row(msgspec.Struct):
    user: int
    image: int
    created: int


_row = msgspec.json.Decoder(_Row).decode

FetchEntry = Callable[[int, int], Awaitable[dict[str, Any] | None]]
"""Crucible, entry -> its row in PostgreSQL. Raises ``TemporaryError``."""


def level_of(ask: Ask, crucible: Crucible) -> int:
    """Flags that the asker sees in a crucible; 0 if none."""
    return effective_level(ask.given.get("browsingLevel"), ask.own_level, ask.show_nsfw, crucible.level)


def shown(image: SiteImage | None, crucible: Crucible, level: int) -> bool:
    """Whether somebody of that level may see an image in a crucible."""
    return image is not None and hidden(image, crucible.level) is None and bool(image.nsfw_level & level)


class Entries:
    """Reads entries.

    Args:
        link: the live state.
        crucibles: what is known of them.
        pictures: the site's images, as they are now.
        images: the site's comments.
        fetch: asks PostgreSQL for an entry of a finished crucible.
    """

    def __init__(
        self, link: Link, crucibles: Crucibles, pictures: Pictures, images: SiteImages, fetch: FetchEntry
    ) -> None:
        self._link, self._crucibles, self._pictures, self._images = link, crucibles, pictures, images
        self._fetch = fetch

    async def entry(self, ask: Ask) -> Answer:
        """``GET /v1/crucibles/{id}/entries/{entryId}``."""
        crucible = await self._crucibles.find(ask.given["id"])
        found = await self.find(crucible, ask.given["entryId"])
        seen = (await self._pictures.look([found.image_id])).get(found.image_id)
        image, count = None, None
        if seen is not None and shown(seen[0], crucible, level_of(ask, crucible)):
            image, count = self._pictures.body(seen[0]), seen[1].count
        return Answer(encode(EntryAnswer(found.id, found.rank, found.rating, found.votes, image, count)))

    async def comments(self, ask: Ask) -> Answer:
        """``GET /v1/crucibles/{id}/entries/{entryId}/comments``."""
        crucible = await self._crucibles.find(ask.given["id"])
        after = _place(ask.given["cursor"]) if ask.given["cursor"] is not None else None
        found = await self.find(crucible, ask.given["entryId"])
        limit = ask.given["limit"]
        seen = (await self._pictures.look([found.image_id])).get(found.image_id)
        if seen is None or not shown(seen[0], crucible, level_of(ask, crucible)):
            raise ProblemError("level_not_allowed")
        try:
            comments = await self._images.comments(found.image_id, after, limit + 1)
        except TemporaryError as error:
            raise ProblemError("postgres_away") from error
        page, more = comments[:limit], comments[limit:]
        bodies = [
            ListedComment(one.text, one.reactions, moment(one.created_ms), one.author, one.id, one.reply_to)
            for one in page
        ]
        following = None
        if more:
            last = page[-1]
            following = _cursor(Place(last.reactions, last.created_ms, last.id))
        return Answer(encode(CommentsAnswer(bodies, seen[1].count, following)))

    async def find(self, crucible: Crucible, entry_id: int) -> Found:
        """The entry.

        Raises:
            ProblemError: ``unknown_entry``, or nobody can tell.
        """
        if crucible.finished:
            try:
                final = await self._fetch(crucible.id, entry_id)
            except TemporaryError as error:
                raise ProblemError("postgres_away") from error
            if final is None:
                raise ProblemError("unknown_entry")
            return Found(final["id"], final["image"], final["score"], final["votes"], final["rank"])
        text, rating, votes = await asked_together(
            self._link,
            ("HGET", keys.entries(crucible.id), entry_id),
            ("HGET", keys.elo(crucible.id), entry_id),
            ("HGET", keys.votes(crucible.id), entry_id),
        )
        shown = keys.entry_row(text)
        if shown is None or rating is None:
            raise ProblemError("unknown_entry")
        row = _row(shown)
        member = keys.standing(row.created, entry_id)
        rank = await asked(self._link, ("ZRANK", keys.standings(crucible.id), member))
        return Found(entry_id, row.image, int(rating), int(votes or 0), None if rank is None else rank + 1)


def _cursor(place: Place) -> str:
    """A place as the client hands it back.

    >>> _place(_cursor(Place(3, 1_760_000_000_000, 7))) == Place(3, 1_760_000_000_000, 7)
    True
    """
    return f"{max(0, place.reactions)}.{max(0, place.created_ms)}.{place.comment_id}"


def _place(cursor: str) -> Place:
    """The place that a cursor stands for; there need not be a comment."""
    reactions, created_ms, comment_id = (int(part) for part in cursor.split("."))
    return Place(min(reactions, LARGEST_ID), created_ms, min(comment_id, LARGEST_ID))
