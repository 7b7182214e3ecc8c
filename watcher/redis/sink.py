"""Row state in Redis: a script call for some crucibles at a time, all of a poll in one pipeline.

Idempotent under replay: the script compares each row's place in the log (see ``row_state.lua``).
"""

from collections.abc import Iterator
from typing import Final

from redis.cluster import RedisCluster
from redis.exceptions import NoScriptError

from watcher.model.row_state import RowStates, ShownStates, arguments
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary
from watcher.redis.ending import end_judges
from watcher.redis.identity import identity_of
from watcher.redis.nodes import primaries
from watcher.redis.rehearsal import rehearse, require_all_taken
from watcher.redis.scripts import ROW_STATE

PORTION_ROWS: Final = 500
"""Rows of one script call, about a millisecond of Redis' time. Larger: votes wait; smaller: calls cost more than
what they do."""

ScriptAnswer = tuple[int, int, list[int], list[int]]
"""See ``row_state.lua``."""


def row_keys(crucible_id: int) -> tuple[str, str, str]:
    """Return the script's keys for a crucible.

    >>> row_keys(42)
    ('crucible:42:elo', '{crucible:42:elo}:state', '{crucible:42:elo}:entries')
    """
    return keys.elo(crucible_id), keys.state(crucible_id), keys.entries(crucible_id)


class RedisSink:
    """The Redis that holds ELO state; see :class:`watcher.changes.sink.StateSink`.

    Args:
        client: its own; closed with it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def apply(self, states: RowStates, history: int) -> ShownStates:
        """Show the rows; all of them when this returns, but for those of crucibles that Redis does not hold.

        Args:
            states: every state of each row that a poll brought; the script keeps the latest.
            history: number of PostgreSQL's history that the LSNs belong to.

        Raises:
            TemporaryError: Redis is away, full or loading. Some crucibles may be done; applying again is harmless.
        """
        if not states:
            return ShownStates(0, 0)
        with away_is_temporary():
            try:
                answers = self._send(states, history)
            except NoScriptError:
                self._client.script_load(ROW_STATE.text)
                answers = self._send(states, history)
        for crucible_id in (one for answer in answers for one in answer[3]):
            end_judges(self._client, crucible_id)
        rows, stale = sum(answer[0] for answer in answers), sum(answer[1] for answer in answers)
        offered = sum(len(change) for change in states.values())
        return ShownStates(
            rows, stale, offered - rows - stale, frozenset(one for answer in answers for one in answer[2])
        )

    def _send(self, states: RowStates, history: int) -> list[ScriptAnswer]:
        pipeline = self._client.pipeline(transaction=False)
        for some in _portions(states, 1 if isinstance(self._client, RedisCluster) else PORTION_ROWS):
            names = [name for crucible_id in some for name in row_keys(crucible_id)]
            changes = arguments({crucible_id: states[crucible_id] for crucible_id in some})
            # In these words, for a cluster's pipeline refuses ``evalsha``; all keys of a crucible are in one slot.
            pipeline.execute_command("EVALSHA", ROW_STATE.sha, len(names), *names, history, *changes)
        return pipeline.execute()

    def try_writing(self) -> None:
        """Find whether every primary would take all that the watcher does there; nothing is written.

        Raises:
            RefusedError: one does not let us, or has no memory or disk for it.
            TemporaryError: one does not answer, is a replica, or does not say who it is, by which votes know it.
        """
        with away_is_temporary():
            self._client.ping()  # by which a cluster's client hears of nodes that have changed places
            for primary in primaries(self._client):
                identity_of({**primary.info("server"), **primary.info("replication")})
                require_all_taken(rehearse(primary))

    def close(self) -> None:
        """Close the connections to the neighbour."""
        self._client.close()


def _portions(states: RowStates, most: int) -> Iterator[list[int]]:
    """Yield the crucibles in portions of about so many rows; one crucible is never cut."""
    portion: list[int] = []
    rows = 0
    for crucible_id, change in states.items():
        portion.append(crucible_id)
        rows += 1 + len(change)
        if rows >= most:
            yield portion
            portion, rows = [], 0
    if portion:
        yield portion
