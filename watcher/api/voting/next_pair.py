"""The next pair for a judge: drawn, chosen, looked at once more, and signed.

1. draw some entries at random (one script, the same cost for any number of entries);
2. put pairs of them in order (:mod:`watcher.model.pairing`) and take the first that the judge has not judged;
3. ask the site whether both images may be shown right now. If one may not, it leaves the pools at once, with all others
   of the draw that may not, and the choice is made again;
4. sign a token for the pair.

A judge who has seen every pair of a draw gets a wider one, and at last every pair is gone through, so that "all judged"
is said only when it is so.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import combinations
from typing import Final

import msgspec
from cachetools import LRUCache

from watcher.api.http.problem import ProblemError
from watcher.api.voting.candidates import Asker, Candidates, without
from watcher.api.voting.pictures import Picture, Pictures
from watcher.model.pair_token import PairTokens, SignedPair
from watcher.model.pairing import POLICY, Candidate, Pair, elapsed, finalists, pairs
from watcher.model.site_image import SiteImage
from watcher.model.visibility import admitted_level
from watcher.model.vote import pair_field
from watcher.redis.admit import ADMIT, Placement
from watcher.redis.draw import DRAW, Drawn
from watcher.redis.link import Link

MAX_REMEMBERED: Final = 20_000
"""Judges whose last images, and crucibles whose times, are remembered."""
JUST_SEEN_IMAGES: Final = 10
"""Images that a judge does not get again at once, if there are others."""
MAX_WIDE_DRAWS: Final = 4
"""Wider draws before every pair is gone through."""
MAX_CHOICES: Final = 5
"""Times that a pair is chosen of one draw: each time an image was hidden since it was last looked at."""

Order = Callable[[], Iterator[Pair]]


class NoPair(Enum):
    """Why there is nothing to judge, though voting is open."""

    ALL_JUDGED = "all_judged"
    """This judge has judged every pair that there is."""
    TOO_FEW = "too_few"
    """Fewer than two entries that this judge may see and does not own."""


class ServedPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two entries to judge, with their images as they are now."""

    left: Candidate
    right: Candidate
    pictures: Mapping[int, Picture]
    """By image."""
    token: str
    """Says who may judge what, until when."""
    expires_ms: int


class _Facts(msgspec.Struct, frozen=True):
    """What the last draw said of a crucible: only the policy goes by it."""

    start_ms: int | None = None
    end_ms: int | None = None
    places: int = 0


class Pairs:
    """Chooses the next pair for each judge who asks.

    Args:
        link: Redis; it should load ``SCRIPTS`` when it connects.
        pictures: the site's images.
        tokens: signs.
        lifetime: seconds for which a pair may be voted on.
        chance: the source of chance; nothing secret is drawn.
        clock: Unix time in seconds.
    """

    SCRIPTS: Final = (DRAW.text, ADMIT.text)

    def __init__(
        self,
        link: Link,
        pictures: Pictures,
        tokens: PairTokens,
        lifetime: float,
        *,
        chance: random.Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._candidates, self._pictures, self._tokens, self._lifetime = Candidates(link), pictures, tokens, lifetime
        self._chance, self._clock = chance or random.Random(), clock  # noqa: S311 - see above
        self._seen: LRUCache[int, deque[int]] = LRUCache(MAX_REMEMBERED)
        self._facts: LRUCache[int, _Facts] = LRUCache(MAX_REMEMBERED)

    async def next_pair(self, crucible_id: int, user_id: int, level: int) -> ServedPair | NoPair:
        """Return the next pair for a judge, or why there is none.

        Args:
            crucible_id: which crucible.
            user_id: the judge.
            level: flags that the judge may see; the crucible's own are taken into account here.

        Raises:
            ProblemError: the crucible is not open for votes, or a neighbour is away.
        """
        asker = Asker(crucible_id, user_id, level)
        facts = self._facts.get(crucible_id, _Facts())
        part = elapsed(int(self._clock() * 1000), facts.start_ms, facts.end_ms)
        top = finalists(part, facts.places, self._chance.random)
        hidden: set[int] = set()
        for attempt in range(1 + MAX_WIDE_DRAWS):
            count = POLICY.wide_draw if attempt else POLICY.draw
            drawn = await self._draw(asker, count, 0 if attempt else top)
            answer = await self._serve(asker, drawn, self._preferred(asker, drawn, part, hidden), hidden)
            if answer is not None:
                return answer
            if drawn.visible <= count:  # that was everything
                return _nothing(without(drawn.entries, hidden))
        return await self._go_through(asker, drawn, hidden)

    async def _draw(self, asker: Asker, count: int, top: int) -> Drawn:
        drawn = await self._candidates.draw(asker, count=count, top=top, seed=self._chance.getrandbits(31))
        self._facts[asker.crucible_id] = _Facts(drawn.start_ms, drawn.end_ms, drawn.places)
        return drawn

    def _preferred(self, asker: Asker, drawn: Drawn, part: float, hidden: set[int]) -> Order:
        def order() -> Iterator[Pair]:
            return pairs(
                without(drawn.entries, hidden),
                without(drawn.top, hidden),
                drawn.visible,
                part,
                self._chance.random,
                avoid=self._seen.get(asker.user_id, ()),
            )

        return order

    async def _serve(self, asker: Asker, drawn: Drawn, order: Order, hidden: set[int]) -> ServedPair | None:
        """Return the first new pair of the order whose images may be shown; None if there is none.

        Args:
            asker, drawn: who asks, and what was drawn.
            order: begins anew when entries became hidden.
            hidden: entries whose image this judge may not see; more are added.
        """
        mask = asker.level & drawn.level
        for _ in range(MAX_CHOICES):
            pair = await self._candidates.first_new(asker, order())
            if pair is None:
                return None
            pictures = await self._pictures.look([one.image_id for one in pair], mask)
            images = {image_id: picture[0] for image_id, picture in pictures.items()}
            gone = await self._correct(asker.crucible_id, drawn.level, mask, pair, images)
            if not gone:
                return self._signed(asker, mask, pair, pictures)
            every = [*drawn.entries, *drawn.top]
            images = await self._pictures.moderation([one.image_id for one in every])
            hidden |= gone | await self._correct(asker.crucible_id, drawn.level, mask, every, images)
        raise ProblemError("overloaded", "images are being hidden faster than pairs can be chosen")

    async def _correct(
        self, crucible_id: int, level: int, mask: int, some: Sequence[Candidate], images: Mapping[int, SiteImage]
    ) -> set[int]:
        """Tell Redis what the site has otherwise; returns the entries that this judge may not see."""
        levels = {one: admitted_level(images.get(one.image_id), level) for one in some}
        placements = [Placement(one.entry_id, now, one.image_id) for one, now in levels.items() if now != one.level]
        if placements:
            await self._candidates.admit(crucible_id, placements)
        return {one.entry_id for one, now in levels.items() if not now & mask}

    async def _go_through(self, asker: Asker, drawn: Drawn, hidden: set[int]) -> ServedPair | NoPair:
        """Return a pair, if there is one left among all: for a judge who has judged nearly all of many."""
        judged = await self._candidates.judged(asker)
        every = [one async for one in self._candidates.everything(asker, asker.level & drawn.level)]
        self._chance.shuffle(every)

        def order() -> Iterator[Pair]:
            return (
                (one, other)
                for one, other in combinations(without(every, hidden), 2)
                if one.image_id != other.image_id and pair_field(one.entry_id, other.entry_id) not in judged
            )

        return await self._serve(asker, drawn, order, hidden) or _nothing(without(every, hidden))

    def _signed(self, asker: Asker, mask: int, pair: Pair, pictures: Mapping[int, Picture]) -> ServedPair:
        left, right = pair if self._chance.random() < 0.5 else pair[::-1]
        seen = self._seen.get(asker.user_id) or deque(maxlen=JUST_SEEN_IMAGES)
        seen.extend((left.image_id, right.image_id))
        self._seen[asker.user_id] = seen
        expires = int(self._clock() + self._lifetime)
        said = SignedPair(asker.crucible_id, asker.user_id, left.entry_id, right.entry_id, mask, expires)
        return ServedPair(
            left=left, right=right, pictures=pictures, token=self._tokens.sign(said), expires_ms=expires * 1000
        )


def _nothing(every: Sequence[Candidate]) -> NoPair:
    """Return why none of these makes a pair."""
    return NoPair.ALL_JUDGED if len({one.image_id for one in every}) > 1 else NoPair.TOO_FEW
