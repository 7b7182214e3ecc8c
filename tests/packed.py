"""Outcomes packed as a rebuild packs them, for tests without ClickHouse."""

from collections import defaultdict
from collections.abc import Mapping

import redis

from watcher.model.vote import VoteOutcome
from watcher.redis.outcomes import PACKED


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


def judged_text(winner: int, outcome: VoteOutcome) -> str:
    """A judge's outcome as Redis keeps it beside the pair.

    >>> judged_text(7, VoteOutcome(1516, 1484, 16, 1, 3, 1_760_000_000_000, repeated=False))
    '7:1:3:1516:1484:1760000000000:16'
    """
    at = f"{outcome.epoch}:{outcome.seq}:{outcome.winner_elo}:{outcome.loser_elo}:{outcome.ms}"
    return f"{winner}:{at}:{outcome.winner_delta}"
