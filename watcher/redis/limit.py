"""The command that charges requests to users' rate limits, and its answer; without a client, for tests share it."""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from watcher.redis import keys
from watcher.redis.scripts import script

LIMIT: Final = script("limit")


def charge_command(kind: str, requests: Mapping[int, int], holds: int, each_us: int) -> list[str]:
    """Return the command that charges requests.

    Args:
        kind: ``votes`` or ``reads``; each has a bucket of its own.
        requests: user id -> how many.
        holds: requests of one burst.
        each_us: microseconds in which one is free again.
    """
    names = [keys.limit(user_id, kind) for user_id in requests]
    numbers = (holds, each_us, *requests.values())
    return ["EVALSHA", LIMIT.sha, str(len(names)), *names, *map(str, numbers)]  # numbers as text: see votes_command


def left(answer: object) -> Iterator[tuple[int, int, int]]:
    """Return what the script said, a user each: requests left, ms until one more is free (0: now), ms until all are.

    >>> list(left([3, 0, 1_000, 0, 250, 2_000]))
    [(3, 0, 1000), (0, 250, 2000)]
    """
    numbers = iter(cast("list[int]", answer))
    return zip(numbers, numbers, numbers, strict=True)
