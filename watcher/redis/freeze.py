"""A crucible's freeze: from then on no vote counts in it, whoever casts it and whatever the clocks say."""

from typing import Final

from watcher.redis import keys
from watcher.redis.client import Client, run_script
from watcher.redis.scripts import script

FREEZE: Final = script("freeze")


def freeze(client: Client, crucible_id: int, identity: str) -> tuple[int, int] | None:
    """Refuse votes from now on, and return epoch and number of the last one before.

    Args:
        client: Redis.
        crucible_id: which crucible.
        identity: of the Redis process that holds it, see :func:`watcher.redis.client.node_identity`.

    Returns:
        The same place whenever it is asked. None: Redis does not hold the crucible as it was compared, so that nobody
        can tell which vote was the last; votes are refused until somebody has compared it.

    Raises:
        TemporaryError: Redis is away; the crucible may be frozen. Doing it again is harmless.
    """
    answer = run_script(client, FREEZE, [keys.state(crucible_id)], identity)
    return (answer[0], answer[1]) if answer else None


def frozen_text(epoch: int, seq: int) -> str:
    """Return the place of the last vote as the state's field holds it.

    >>> frozen_text(3, 100)
    '3:100'
    """
    return f"{epoch}:{seq}"
