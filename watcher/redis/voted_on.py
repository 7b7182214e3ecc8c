"""For which entries a vote has counted, as the live state has it."""

from collections.abc import Sequence

from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary


def voted_on(client: Client, crucible_id: int, entry_ids: Sequence[int]) -> set[int]:
    """Return those of the entries for which a vote has counted; all of them while Redis does not hold the crucible.

    An entry keeps its place when nobody can tell: a vote that counted keeps its meaning.

    Raises:
        TemporaryError: Redis is away.
    """
    with away_is_temporary():
        pipeline = client.pipeline(transaction=False)
        pipeline.exists(keys.state(crucible_id))
        pipeline.hmget(keys.votes(crucible_id), [str(one) for one in entry_ids])
        present, counts = pipeline.execute()
    if not present:
        return set(entry_ids)
    return {entry for entry, count in zip(entry_ids, counts, strict=True) if int(count or 0)}
