"""The last beat that came, in Redis: PostgreSQL may be set back, and would then know of fewer beats than came."""

from typing import Final

import msgspec

from watcher.model.beat import Beat
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary

_READ: Final = msgspec.json.Decoder(Beat).decode


class RedisBeatMarks:
    """Keeps the last beat that came in Redis; see :class:`watcher.changes.beats.BeatMarks`.

    Args:
        client: its connection.
        schema: the watcher's own schema, whose beats they are.
        group: the consumer group that hears them.
    """

    def __init__(self, client: Client, schema: str, group: str) -> None:
        self._client, self._key = client, keys.last_beat(schema, group)

    def last(self) -> Beat | None:
        """Return the last beat that came; None if none is kept, or nobody can read it.

        Raises:
            TemporaryError: Redis is away.
        """
        with away_is_temporary():
            kept = self._client.get(self._key)
        try:
            return None if kept is None else _READ(kept)
        except msgspec.DecodeError:
            return None

    def keep(self, beat: Beat) -> None:
        """Keep a beat in the place of the one before.

        Raises:
            TemporaryError: Redis is away.
        """
        with away_is_temporary():
            self._client.set(self._key, msgspec.json.encode(beat))

    def close(self) -> None:
        """Close the connections to the neighbour."""
        self._client.close()
