"""Row state in Redis: a script call for some crucibles at a time, all of a poll in one pipeline.

Idempotent under replay: the script compares each row's place in the log (see ``row_state.lua``).
"""

from collections.abc import Iterator
from importlib.resources import files

import msgspec
import redis
from redis.cluster import RedisCluster
from redis.exceptions import NoScriptError, RedisError

from watcher.model.errors import TemporaryError
from watcher.model.row_state import KEEP_FINISHED_SECONDS, RowStates, encode

BASE_RATING = 1500
"""Rating of a new entry; from then on votes own it."""

PORTION = 500
"""Entries of one script call, about a millisecond of Redis' time. Larger: votes wait; smaller: calls cost more than
what they do."""

SCRIPT = files("watcher.sinks").joinpath("row_state.lua").read_text()


class Applied(msgspec.Struct, frozen=True):
    """What a poll's states came to."""

    rows: int
    stale: int
    """Rows that Redis already shows as they are, or newer."""


def keys(crucible_id: int) -> tuple[str, str, str, str]:
    """The script's keys. The braces make the companions hash to the slot of the ``elo`` key.

    >>> keys(42)
    ('crucible:42:elo', '{crucible:42:elo}:state', '{crucible:42:elo}:entries', '{crucible:42:elo}:votes')
    """
    elo = f"crucible:{crucible_id}:elo"
    return elo, f"{{{elo}}}:state", f"{{{elo}}}:entries", f"{{{elo}}}:votes"


class RedisSink:
    """The Redis that holds ELO state.

    Args:
        url: address, with password if any.
        cluster: talk to a Redis Cluster.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str, *, cluster: bool, timeout: float) -> None:
        self._cluster = cluster
        options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        self._client: redis.Redis | RedisCluster = (
            RedisCluster.from_url(url, **options) if cluster else redis.Redis.from_url(url, **options)
        )
        self._sha = ""

    def apply(self, states: RowStates, history: int) -> Applied:
        """Show the rows; all of them when this returns.

        Args:
            states: the latest state of each row that a poll brought.
            history: number of PostgreSQL's history that the LSNs belong to.

        Raises:
            TemporaryError: Redis is away, full or loading. Some crucibles may be done; applying again is harmless.
        """
        if not states.changes:
            return Applied(0, 0)
        try:
            try:
                answers = self._send(states, history)
            except NoScriptError:
                self._sha = ""
                answers = self._send(states, history)
        except (RedisError, OSError) as error:
            self._sha = ""
            raise TemporaryError(f"redis: {type(error).__name__}: {error}") from error
        return Applied(sum(answer[0] for answer in answers), sum(answer[1] for answer in answers))

    def _send(self, states: RowStates, history: int) -> list[tuple[int, int]]:
        if not self._sha:
            self._sha = str(self._client.script_load(SCRIPT))
        pipeline = self._client.pipeline(transaction=False)
        for some in _portions(states, 1 if self._cluster else PORTION):
            names = [name for crucible_id in some for name in keys(crucible_id)]
            changes = encode([states.changes[crucible_id] for crucible_id in some])
            pipeline.evalsha(self._sha, len(names), *names, changes, history, BASE_RATING, KEEP_FINISHED_SECONDS)
        return pipeline.execute()

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            TemporaryError: there is none.
        """
        try:
            self._client.ping()
        except (RedisError, OSError) as error:
            raise TemporaryError(f"redis: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


def _portions(states: RowStates, most: int) -> Iterator[list[int]]:
    """The crucibles, cut into portions of about so many entries; one crucible is never cut."""
    portion: list[int] = []
    entries = 0
    for crucible_id, change in states.changes.items():
        portion.append(crucible_id)
        entries += 1 + len(change.entries)
        if entries >= most:
            yield portion
            portion, entries = [], 0
    if portion:
        yield portion
