"""A pair that is open to a judge, or is about to be, with both of its entries."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from watcher.model.open_pairs import OpenPair, OpenPairs
from watcher.model.pairing import Pair, PairCandidate
from watcher.model.site_image import SiteImage
from watcher.model.vote import pair_field


class OpenedPair(msgspec.Struct, frozen=True):
    """What Redis has, or is to have, of an open pair, and its entries."""

    said: OpenPair
    pair: Pair
    """Left and right."""

    @property
    def field(self) -> str:
        """Return the pair's name among those that the judge is done with."""
        return pair_field(self.said.left, self.said.right)

    def has_one_of(self, entries: Collection[int]) -> bool:
        """Return whether one of these entries is of the pair."""
        return self.said.left in entries or self.said.right in entries

    def images(self, images: Mapping[int, SiteImage]) -> list[SiteImage | None]:
        """Return its two images; None for one that is gone."""
        return [images.get(one.image_id) for one in self.pair]


def opened_pairs(opened: OpenPairs, candidates: Sequence[PairCandidate]) -> list[OpenedPair]:
    """Return the open pairs of which both entries are there."""
    there = {one.entry_id: one for one in candidates}
    return [
        OpenedPair(one, (there[one.left], there[one.right]))
        for one in opened.pairs
        if one.left in there and one.right in there
    ]
