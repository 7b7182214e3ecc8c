"""What a judge is served: the pair to judge and the one that follows it, or why there is none."""

from collections.abc import Mapping
from enum import Enum

import msgspec

from watcher.api.voting.pictures import Picture
from watcher.model.pairing import PairCandidate


class NoPair(Enum):
    """Why there is nothing to judge, though voting is open."""

    ALL_JUDGED = "all_judged"
    """This judge has judged every pair that there is."""
    TOO_FEW = "too_few"
    """Fewer than two entries that this judge may see and does not own."""


class ServedPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two entries to judge, with their images as they are now."""

    left: PairCandidate
    right: PairCandidate
    pictures: Mapping[int, Picture]
    """By image."""
    token: str
    """Says who may judge what, until when."""
    expires_ms: int


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What is open to a judge."""

    pair: ServedPair
    """To judge now."""
    following: ServedPair | None
    """To judge after that."""
    skips_left: int
    """Pairs that may be passed on before another one is judged."""
