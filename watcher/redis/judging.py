"""The command that asks which pair is open to some judges, and whether they have voted; and its answer."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, cast

import msgspec

from watcher.model.open_pairs import OpenPairs
from watcher.redis import keys
from watcher.redis.scripts import script

JUDGING: Final = script("judging")
MAX_REMEMBERED_TEXTS: Final = 10_000
"""Texts of open pairs that are read once: followers are asked about again and again."""


class Judging(msgspec.Struct, frozen=True):
    """How a judge stands in a crucible."""

    entries: frozenset[int]
    """The two of the pair that the judge is to judge now; none if there is no such pair."""
    voted: bool


def judging_command(crucible_id: int, user_ids: Sequence[int]) -> list[str | int]:
    """Return the command that asks about some judges."""
    names = [keys.judges(crucible_id), *(keys.open_pairs(crucible_id, user_id) for user_id in user_ids)]
    return ["EVALSHA", JUDGING.sha, len(names), *names, *user_ids]


def judging(answer: object) -> list[Judging]:
    """Return what the script said, a judge each.

    >>> [sorted(one.entries) for one in judging([b"1:0|5:9:31:1900000000|7:8:31:1900000000", 1, b"", 0])]
    [[5, 9], []]
    """
    told = cast("Sequence[bytes | int]", answer)
    return [
        Judging(_entries(cast("bytes", text)), bool(voted)) for text, voted in zip(told[::2], told[1::2], strict=True)
    ]


@lru_cache(MAX_REMEMBERED_TEXTS)
def _entries(text: bytes) -> frozenset[int]:
    return frozenset(entry for pair in OpenPairs.of(text.decode()).pairs[:1] for entry in (pair.left, pair.right))
