"""The pairs that a judge has judged or skipped in a crucible; a rebuild may have packed the judged ones."""

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
        self._skipped = keys.open_pairs(crucible_id, user_id)

    async def are_done(self, fields: Sequence[str]) -> list[bool]:
        """Return which of some pairs the judge has judged or skipped, in their order.

        Args:
            fields: pairs as ``pair_field`` names them.

        Raises:
            ProblemError: Redis is away.
        """
        (packed, *judged), skipped = await ask_redis_together(
            self._link, ("HMGET", self._name, PACKED, *fields), ("HMGET", self._skipped, *fields)
        )
        if packed is not None:
            await self.unpack()
            judged = await ask_redis(self._link, ("HMGET", self._name, *fields))
        return [any(one is not None for one in said) for said in zip(judged, skipped, strict=True)]

    async def all_done(self) -> set[str]:
        """Return every pair that the judge has judged or skipped, as ``pair_field`` names it.

        Raises:
            ProblemError: Redis is away.
        """
        await self.unpack()
        judged, skipped = await ask_redis_together(self._link, ("HKEYS", self._name), ("HKEYS", self._skipped))
        return {field.decode() for field in (*judged, *skipped) if field[:1].isdigit()}

    async def count(self) -> int:
        """Return how many pairs the judge has judged.

        Raises:
            ProblemError: Redis is away.
        """
        count, packed = await ask_redis_together(self._link, ("HLEN", self._name), ("HEXISTS", self._name, PACKED))
        if packed:
            await self.unpack()
            count = await ask_redis(self._link, ("HLEN", self._name))
        return int(count)

    async def unpack(self) -> None:
        """Give each pair its field, for readers that know no blocks.

        A block at a time: nobody's votes wait for a judge of very many pairs.

        Raises:
            ProblemError: Redis is away.
        """
        while await ask_redis(self._link, unpack_command(self._name)):
            pass
