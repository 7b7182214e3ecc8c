"""Outcomes packed as a rebuild packs them, for tests without ClickHouse."""

from collections import defaultdict
from collections.abc import Mapping

import redis

from watcher.state.outcomes import PACKED


def pack(client: redis.Redis, name: str, outcomes: Mapping[str, str], blocks: int) -> None:
    """Write a judge's outcomes.

    Args:
        client: Redis.
        name: the key of the judge's outcomes.
        outcomes: by pair, as ``pair_field`` names it.
        blocks: into how many.
    """
    texts: dict[int, str] = defaultdict(str)
    for pair, text in outcomes.items():
        low, high = map(int, pair.split(":"))
        texts[(low + high) % blocks] += f" {pair}={text}"
    client.hset(name, PACKED, str(blocks), mapping={f"packed:{block}": text for block, text in texts.items()})
