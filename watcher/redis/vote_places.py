"""Epoch and number of crucibles' last votes, as Redis has numbered them."""

from collections.abc import Iterator, Sequence
from typing import Final

from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, node_identities

MAX_CRUCIBLES: Final = 500
"""Crucibles of one question. More: Redis answers votes later; fewer: more round trips."""


def vote_places(client: Client, crucible_ids: Sequence[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each crucible that takes votes, with epoch and number of its last one.

    Those are left out that Redis does not hold, that nobody has compared in this process, or that are frozen.

    Raises:
        TemporaryError: Redis is away.
    """
    for at in range(0, len(crucible_ids), MAX_CRUCIBLES):
        some = crucible_ids[at : at + MAX_CRUCIBLES]
        with away_is_temporary():
            pipeline = client.pipeline(transaction=False)
            for one in some:
                pipeline.hmget(keys.state(one), ["fence", "rebuilding", keys.FROZEN, "epoch", "seq"])
            states = pipeline.execute()
            identities = node_identities(client, [keys.elo(one) for one in some])
        for one, (fence, rebuilding, frozen, epoch, seq), identity in zip(some, states, identities, strict=True):
            if fence == identity.encode() and rebuilding is None and frozen is None:
                yield one, (int(epoch), int(seq))
