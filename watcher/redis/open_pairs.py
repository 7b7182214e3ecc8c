"""The commands that write down a judge's open pairs; without a client, because tests share them."""

from collections.abc import Sequence
from typing import Final

from watcher.model.open_pairs import OpenPairs
from watcher.redis import keys
from watcher.redis.scripts import script

OPEN: Final = script("open")
SKIP: Final = script("skip")


def open_command(
    crucible_id: int, user_id: int, read: str, wanted: OpenPairs, fields: Sequence[str]
) -> list[str | int | bytes]:
    """Return the command that writes down which pairs are open; its answer is 0 if something else is there by now.

    Args:
        crucible_id: which crucible.
        user_id: the judge.
        read: what was read of them.
        wanted: what is to be.
        fields: pairs that count as skipped, as ``pair_field`` names them; and leaders that are met, by ``met_field``.
    """
    names = [keys.state(crucible_id), keys.open_pairs(crucible_id, user_id)]
    return ["EVALSHA", OPEN.sha, len(names), *names, read, wanted.text, *fields]


def met_field(entry_id: int) -> str:
    """Return what it is noted by that a judge has met one of the leaders.

    >>> met_field(7)
    'met:7'
    """
    return f"met:{entry_id}"


def skip_command(crucible_id: int, user_id: int, fence: str, one: int, other: int) -> list[str | int | bytes]:
    """Return the command that passes a pair on; its answer is ``ok`` or the code of a refusal.

    Args:
        crucible_id: which crucible.
        user_id: the judge.
        fence: identity of the Redis process at the other end of the very connection that this is sent through.
        one: an entry of the pair.
        other: the other one.
    """
    names = [keys.state(crucible_id), keys.judged(crucible_id, user_id), keys.open_pairs(crucible_id, user_id)]
    return ["EVALSHA", SKIP.sha, len(names), *names, fence, one, other]
