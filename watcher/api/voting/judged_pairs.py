"""The pairs that a judge has judged in a crucible; a rebuild may have packed them."""

from collections.abc import Sequence

from watcher.api.voting.ask_redis import ask_redis, ask_redis_together
from watcher.redis import keys
from watcher.redis.link import Link
from watcher.redis.outcomes import PACKED, unpack_command


class JudgedPairs:
    """What one judge has judged in one crucible.

    Args:
        link: Redis.
        crucible_id: which crucible.
        user_id: the judge.
    """

    def __init__(self, link: Link, crucible_id: int, user_id: int) -> None:
        self._link, self._name = link, keys.judged(crucible_id, user_id)

    async def are_judged(self, fields: Sequence[str]) -> list[bool]:
        """Return which of some pairs the judge has judged, in their order.

        Args:
            fields: pairs as ``pair_field`` names them.

        Raises:
            ProblemError: Redis is away.
        """
        packed, *found = await ask_redis(self._link, ("HMGET", self._name, PACKED, *fields))
        if packed is not None:
            await self._unpack()
            found = await ask_redis(self._link, ("HMGET", self._name, *fields))
        return [outcome is not None for outcome in found]

    async def all(self) -> set[str]:
        """Return every pair that the judge has judged, as ``pair_field`` names it.

        Raises:
            ProblemError: Redis is away.
        """
        await self._unpack()
        return {field.decode() for field in await ask_redis(self._link, ("HKEYS", self._name))}

    async def count(self) -> int:
        """Return how many pairs the judge has judged.

        Raises:
            ProblemError: Redis is away.
        """
        count, packed = await ask_redis_together(self._link, ("HLEN", self._name), ("HEXISTS", self._name, PACKED))
        if packed:
            await self._unpack()
            count = await ask_redis(self._link, ("HLEN", self._name))
        return int(count)

    async def _unpack(self) -> None:
        """Give each pair its field. A block at a time: nobody's votes wait for a judge of very many pairs."""
        while await ask_redis(self._link, unpack_command(self._name)):
            pass
