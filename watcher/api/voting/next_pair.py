"""The pairs that are open to a judge: the one to judge now and the one that follows it, each drawn, chosen and signed.

1. read what is open, and draw some entries at random (one script, the same cost for any number of entries);
2. for each pair that is missing, put pairs of what was drawn in order (:mod:`watcher.model.pairing`) and take the first
   that the judge has neither judged nor skipped;
3. ask the site whether all images may be shown right now, those of open pairs too. If one may not, it leaves the pools
   at once, with all others of the draw that may not, and the choice is made again;
4. write down what is open now, if no other process has opened something else meanwhile, and sign a token for each pair.

A judge who has seen every pair of a draw gets a wider one, and at last every pair is gone through, so that "all judged"
is said only when it is so.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from cachetools import LRUCache

from watcher.api.http.problem import ProblemError
from watcher.api.voting.candidates import Asker, Candidates, without
from watcher.api.voting.opened_pair import OpenedPair, opened_pairs
from watcher.api.voting.pair_order import PairOrder, drawn_order, meetings, order_of_all
from watcher.api.voting.pictures import Picture, Pictures
from watcher.api.voting.served_pair import NoPair, Served, ServedPair
from watcher.model.open_pairs import OPEN_AT_ONCE, OpenPair, OpenPairs, skips_allowed
from watcher.model.pair_token import PairTokens, SignedPair
from watcher.model.pairing import POLICY, PairCandidate, elapsed, finalists, leaders
from watcher.model.passed_on import is_skip, lent_skips
from watcher.model.site_image import SiteImage
from watcher.model.visibility import admitted_level
from watcher.model.vote import pair_field
from watcher.redis.admit import ADMIT, Placement
from watcher.redis.draw import DRAW, Drawn
from watcher.redis.link import Link
from watcher.redis.open_pairs import OPEN, met_field

MAX_REMEMBERED: Final = 20_000
"""Judges whose last images, and crucibles whose times, are remembered."""
JUST_SEEN_IMAGES: Final = 10
"""Images that a judge does not get again at once, if there are others."""
MAX_WIDE_DRAWS: Final = 4
"""Wider draws before every pair is gone through."""
MAX_CHOICES: Final = 5
"""Times that a pair is chosen of one draw: each time an image was hidden since it was last looked at."""
MAX_OVERTAKEN: Final = 8
"""Times that it is begun anew because something else was opened to the judge meanwhile; what is there is served then,
so the first time does it but for chance."""


class _OvertakenError(Exception):
    """Raised when another request of the judge, here or elsewhere, has opened or judged something meanwhile."""


class _Facts(msgspec.Struct, frozen=True):
    """What the last draw said of a crucible: only the policy goes by it."""

    start_ms: int | None = None
    end_ms: int | None = None
    places: int = 0


class _Draw(msgspec.Struct, frozen=True):
    """What a judge's pairs are chosen of, once."""

    asker: Asker
    drawn: Drawn
    order: PairOrder
    """Begins anew when entries became hidden."""
    hidden: set[int]
    """Entries whose image this judge may not see; more are added."""
    last: bool
    """One pair will do, for there are no others."""

    @property
    def mask(self) -> int:
        """Levels that the judge sees, as flags."""
        return self.asker.level & self.drawn.level


class Pairs:
    """Serves each judge who asks the pairs to judge.

    Args:
        link: Redis; it should load ``SCRIPTS`` when it connects.
        pictures: the site's images.
        tokens: signs.
        lifetime: seconds for which a pair may be voted on.
        chance: the source of chance; nothing secret is drawn.
        clock: Unix time in seconds.
    """

    SCRIPTS: Final = (DRAW.text, ADMIT.text, OPEN.text)

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

    async def serve(self, asker: Asker) -> Served | NoPair:
        """Return what is open to a judge, or why nothing is. What is missing is opened.

        Raises:
            ProblemError: the crucible is not open for votes, a neighbour is away, or ``skips_exhausted``: the judge
                wants to see fewer levels than the open pair needs, which would pass it on.
        """
        for _ in range(1 + MAX_OVERTAKEN):
            with suppress(_OvertakenError):
                return await self._serve_anew(asker)
        raise ProblemError("overloaded", "what is open to this judge changes all the while")

    async def _serve_anew(self, asker: Asker) -> Served | NoPair:
        """Return what is open to a judge, or why nothing is, from what Redis says now.

        Raises:
            ProblemError: as :meth:`serve`.
            _OvertakenError: something else was opened meanwhile.
        """
        facts = self._facts.get(asker.crucible_id, _Facts())
        part = elapsed(int(self._clock() * 1000), facts.start_ms, facts.end_ms)
        top = finalists(part, facts.places, self._chance.random)
        hidden: set[int] = set()
        for attempt in range(1 + MAX_WIDE_DRAWS):
            count = POLICY.wide_draw if attempt else POLICY.draw
            drawn = await self._draw(asker, count, 0 if attempt else top, facts.places, if_wanting=not attempt)
            everything = drawn.visible <= count and not (drawn.held and not drawn.entries)  # which was not drawn
            order = drawn_order(drawn, hidden, self._seen.get(asker.user_id, ()), self._chance)
            served = await self._serve(_Draw(asker, drawn, order, hidden, everything))
            if served is not None:
                return served
            if everything and not without(drawn.held, hidden):
                return _nothing(without(drawn.entries, hidden))
        return await self._go_through(asker, drawn, hidden)

    async def _draw(self, asker: Asker, count: int, top: int, places: int, *, if_wanting: bool) -> Drawn:
        seed = self._chance.getrandbits(31)
        drawn = await self._candidates.draw(
            asker, count=count, top=top, leaders=leaders(places), seed=seed, if_wanting=if_wanting
        )
        self._facts[asker.crucible_id] = _Facts(drawn.start_ms, drawn.end_ms, drawn.places)
        return drawn

    async def _serve(self, draw: _Draw) -> Served | None:
        """Return what is open, after opening the first new pairs of the order for those that are missing.

        Returns:
            None if there is none, or too few.

        Raises:
            ProblemError: as :meth:`serve`.
            _OvertakenError: something else was opened meanwhile.
        """
        drawn, hidden = draw.drawn, draw.hidden
        held, passed = OpenPairs.of(drawn.open), list[str]()
        kept = opened_pairs(held, drawn.held)
        for _ in range(MAX_CHOICES):
            opened = [*kept, *await self._choose(draw, kept)]
            if not opened:
                return None
            shown = [one for each in opened for one in each.pair]
            pictures = await self._pictures.look(list({one.image_id for one in shown}), draw.mask)
            images = {image_id: picture[0] for image_id, picture in pictures.items()}
            gone = await self._correct(draw, shown, images)
            if not gone:
                if len(opened) < OPEN_AT_ONCE and not draw.last:
                    return None
                wanted = OpenPairs(held.judged, held.skipped + len(passed), tuple(each.said for each in opened))
                return await self._open(draw, wanted, opened, passed, pictures)
            gone_pairs = [each for each in kept if each.has_one_of(gone)]
            passed += [each.field for each in gone_pairs if is_skip(each.said, each.images(images), drawn.level)]
            lent = lent_skips([each.images(images) for each in gone_pairs], draw.asker.account_level)
            if passed and held.skipped + len(passed) > skips_allowed(held.judged) + lent:
                raise ProblemError("skips_exhausted")
            kept = [each for each in kept if each not in gone_pairs]
            hidden |= gone
            if every := [*drawn.entries, *drawn.top]:
                images = await self._pictures.moderation([one.image_id for one in every])
                hidden |= await self._correct(draw, every, images)
        raise ProblemError("overloaded", "images are being hidden faster than pairs can be chosen")

    async def _choose(self, draw: _Draw, kept: Sequence[OpenedPair]) -> list[OpenedPair]:
        """Return new pairs beside those that are open, as many as are missing or there are."""
        chosen: list[OpenedPair] = []
        while len(kept) + len(chosen) < OPEN_AT_ONCE:
            beside = [*kept, *chosen]
            taken = {each.field for each in beside}
            order = draw.order([each.pair for each in beside])
            new = filter(lambda pair: pair_field(pair[0].entry_id, pair[1].entry_id) not in taken, order)
            pair = await self._candidates.first_new(draw.asker, new)
            if pair is None:
                break
            left, right = pair if self._chance.random() < 0.5 else pair[::-1]
            chosen.append(OpenedPair(OpenPair(left.entry_id, right.entry_id, draw.mask, 0), (left, right)))
        return chosen

    async def _correct(self, draw: _Draw, some: Sequence[PairCandidate], images: Mapping[int, SiteImage]) -> set[int]:
        """Tell Redis what the site has otherwise; returns the entries that this judge may not see."""
        level = draw.drawn.level
        levels = {one: admitted_level(images.get(one.image_id), level) for one in some}
        placements = [Placement(one.entry_id, now, one.image_id) for one, now in levels.items() if now != one.level]
        if placements:
            await self._candidates.admit(draw.asker.crucible_id, placements)
        return {one.entry_id for one, now in levels.items() if not now & draw.mask}

    async def _go_through(self, asker: Asker, drawn: Drawn, hidden: set[int]) -> Served | NoPair:
        """Return what is open, with pairs that are left among all: for a judge who has judged nearly all of many."""
        done = await self._candidates.done(asker)
        every = [one async for one in self._candidates.everything(asker, asker.level & drawn.level)]
        met = Counter(int(entry) for field in done for entry in field.split(":"))
        every = [msgspec.structs.replace(one, met=met[one.entry_id]) for one in every]
        order = order_of_all(drawn, every, hidden, done, self._chance)
        served = await self._serve(_Draw(asker, drawn, order, hidden, last=True))
        return _nothing(without(every, hidden)) if served is None else served

    async def _open(
        self,
        draw: _Draw,
        wanted: OpenPairs,
        opened: Sequence[OpenedPair],
        passed: Sequence[str],
        pictures: Mapping[int, Picture],
    ) -> Served:
        """Write down what is open and return it.

        Raises:
            _OvertakenError: something else was opened meanwhile.
        """
        asker, read, now = draw.asker, draw.drawn.open, self._clock()
        until, soon = int(now + self._lifetime), now + self._lifetime / 2
        said = tuple(one if one.expires > soon else msgspec.structs.replace(one, expires=until) for one in wanted.pairs)
        wanted = msgspec.structs.replace(wanted, pairs=said)
        leading = set(meetings(draw.drawn, 0).leaders)
        met = [met_field(one.entry_id) for each in opened for one in each.pair if one.entry_id in leading]
        if wanted.text != read and not await self._candidates.open(asker, read, wanted, [*passed, *met]):
            raise _OvertakenError
        seen = self._seen.get(asker.user_id) or deque(maxlen=JUST_SEEN_IMAGES)
        seen.extend(one.image_id for each in opened for one in each.pair if one.image_id not in seen)
        self._seen[asker.user_id] = seen
        pair, *following = (
            self._signed(asker, each, open_pair, pictures) for each, open_pair in zip(opened, said, strict=True)
        )
        return Served(pair=pair, following=following[0] if following else None, skips_left=wanted.skips_left)

    def _signed(self, asker: Asker, each: OpenedPair, said: OpenPair, pictures: Mapping[int, Picture]) -> ServedPair:
        left, right = each.pair
        token = SignedPair(asker.crucible_id, asker.user_id, said.left, said.right, said.level, said.expires)
        return ServedPair(
            left=left, right=right, pictures=pictures, token=self._tokens.sign(token), expires_ms=said.expires * 1000
        )


def _nothing(every: Sequence[PairCandidate]) -> NoPair:
    """Return why none of these makes a pair."""
    return NoPair.ALL_JUDGED if len({one.image_id for one in every}) > 1 else NoPair.TOO_FEW
