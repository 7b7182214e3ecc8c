"""Walks through Redis' keys to find the crucibles that it holds, and has votes refused in those that are in doubt."""

from collections.abc import Iterable
from typing import Any, Final, cast

import redis
from redis.cluster import RedisCluster

from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, run_script
from watcher.redis.scripts import script

PAGE_KEYS: Final = 1000
"""Keys of one step of the walk, less than a millisecond of Redis' time. More: votes wait; fewer: more round trips."""
DOUBT: Final = script("doubt")


class Walk:
    """Walks through everything that Redis holds, some pages at a time, and begins anew at the end.

    Args:
        client: Redis; of a cluster, every primary is walked through.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._nodes: list[redis.Redis] = []
        self._cursor = 0

    def pages(self, most: int) -> tuple[list[int], bool]:
        """Return the crucibles that were found on the next pages, and whether that was the last of them.

        One that the site has deleted is left out once that is known here and none of its entries is shown. One that is
        there from the walk's beginning to its end is found; it may be found twice.

        Args:
            most: pages.

        Raises:
            TemporaryError: Redis is away; the walk begins anew.
        """
        found: list[int] = []
        with away_is_temporary():
            try:
                if not self._nodes:
                    self._nodes, self._cursor = _primaries(self._client), 0
                for _ in range(most):
                    found += self._page()
                    if not self._nodes:
                        break
            except BaseException:
                self._nodes = []
                raise
        return found, not self._nodes

    def _page(self) -> list[int]:
        node = self._nodes[-1]
        cursor, names = cast("tuple[int, list[bytes]]", node.scan(self._cursor, match=keys.ALL_STATES, count=PAGE_KEYS))
        self._cursor = cursor
        if cursor == 0:
            self._nodes.pop()
        ids = [one for name in names if (one := keys.crucible_of(name)) is not None]
        pipeline = node.pipeline(transaction=False)
        for one in ids:
            pipeline.hget(keys.state(one), "row")
            pipeline.exists(keys.elo(one))
        answers = pipeline.execute() if ids else []
        return [one for one, row, shown in zip(ids, answers[::2], answers[1::2], strict=True) if row != b"" or shown]


def doubt(client: Client, crucible_ids: Iterable[int]) -> None:
    """Refuse votes in these crucibles until each was compared.

    Raises:
        TemporaryError: Redis is away; some may be done, and doing it again is harmless.
    """
    for one in crucible_ids:
        run_script(client, DOUBT, [keys.state(one)])


def _primaries(client: Client) -> list[redis.Redis]:
    if not isinstance(client, RedisCluster):
        return [client]
    nodes: Any = client.get_primaries()  # type: ignore[no-untyped-call]
    return [client.get_redis_connection(node) for node in nodes]
