"""What a judge has judged, where a rebuild may have packed it."""

from watcher.api.resources.asking import asked
from watcher.redis.link import Link
from watcher.redis.outcomes import unpack_command


async def unpack(link: Link, name: str) -> None:
    """Give each pair its field. A block at a time: nobody's votes wait for a judge of very many pairs.

    Args:
        link: Redis.
        name: the key of a judge's outcomes.

    Raises:
        ProblemError: Redis is away.
    """
    while await asked(link, unpack_command(name)):
        pass
