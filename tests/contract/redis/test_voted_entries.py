"""What votes have made of a crucible's entries, beside fields that somebody has written by hand."""

import redis

from stack.topology import Stack
from watcher.redis import keys
from watcher.redis.voted_entries import HeldEntry, moved_besides, voted_pages

CRUCIBLE = 7
NO_IDS = {"x": "1", "007": "1", "-3": "1", "9" * 5_000: "1"}


def test_fields_that_are_no_entries_ids_are_passed_over(server: Stack, client: redis.Redis) -> None:
    """Whoever proves or writes down scores goes on: they are nobody's."""
    client.hset(keys.elo(CRUCIBLE), mapping={"1": "1532", "2": "1500", "3": "1468", **NO_IDS})
    client.hset(keys.votes(CRUCIBLE), mapping={"1": "1", "3": "1", **NO_IDS})
    client.hset(keys.left(CRUCIBLE), mapping={"4": "1490:2", **NO_IDS})
    with redis.Redis.from_url(server.redis.url) as reading:
        voted = [one for page in voted_pages(reading, CRUCIBLE) for one in page]
        besides = dict(moved_besides(reading, CRUCIBLE, {1}))

    assert sorted(voted) == [(1, 1532, 1), (3, 1468, 1)]
    assert besides == {3: HeldEntry(1468, 1), 4: HeldEntry(1490, 2)}
