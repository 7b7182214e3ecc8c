"""The command that shows placements on entries in Redis; without a client, because watch role and API share it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, cast

import msgspec

from watcher.redis import keys
from watcher.redis.scripts import script

ADMIT = script("admit")


class Placement(NamedTuple):
    """Whether an entry may be shown to judges."""

    entry_id: int
    level: int
    """Exact nsfwLevel of its image, 1 to 31; 0: it may not be shown."""
    image_id: int
    """The image that was looked at. A placement says nothing of an entry that has another by now."""


class PlacementChange(StrEnum):
    """What a placement changed."""

    ADMITTED = "admitted"
    MOVED = "moved"
    """The image has another level than it had."""
    REMOVED = "removed"
    SAME = "same"
    UNKNOWN = "unknown"
    """Redis does not show the entry with this image: its row is still on its way, or has gone."""


def admit_keys(crucible_id: int) -> list[str]:
    """Return the script's keys."""
    return [
        keys.elo(crucible_id),
        keys.state(crucible_id),
        keys.entries(crucible_id),
        keys.standings(crucible_id),
        keys.admitted(crucible_id),
    ]


def admit_argument(placements: Sequence[Placement]) -> bytes:
    """Return the script's argument; up to a thousand placements take a few milliseconds."""
    return msgspec.msgpack.encode(placements)


def admit_command(crucible_id: int, placements: Sequence[Placement]) -> list[str | int | bytes]:
    """Return the command that shows placements on entries of one crucible."""
    names = admit_keys(crucible_id)
    return ["EVALSHA", ADMIT.sha, len(names), *names, admit_argument(placements)]


def effects(answer: object) -> list[PlacementChange]:
    """Return what each placement changed; empty if the crucible is absent."""
    words = cast("list[bytes | str]", answer)
    return [PlacementChange(word.decode() if isinstance(word, bytes) else word) for word in words]
