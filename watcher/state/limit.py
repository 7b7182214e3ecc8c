"""How a request is charged to its user's rate limit. Without a client: the API and tests share it."""

from typing import Final, cast

import msgspec

from watcher.state import keys
from watcher.state.scripts import script

LIMIT: Final = script("limit")


class Left(msgspec.Struct, frozen=True, gc=False):
    """What a user has left."""

    requests: int
    wait_ms: int
    """Until one more is free; 0: now."""
    full_ms: int
    """Until all are free again."""


def charge_command(user_id: int, kind: str, requests: int, holds: int, each_us: int) -> list[str | int]:
    """The command that charges requests.

    Args:
        user_id: whose.
        kind: ``votes`` or ``reads``; each has a bucket of its own.
        requests: how many.
        holds: requests of one burst.
        each_us: microseconds in which one is free again.
    """
    return ["EVALSHA", LIMIT.sha, 1, f"{keys.limit(user_id)}:{kind}", requests, holds, each_us]


def left(answer: object) -> Left:
    """What the script said."""
    return Left(*cast("list[int]", answer))
