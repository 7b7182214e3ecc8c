"""Which crucibles want their keeper, looked for without being asked: one round of the sweep."""

from collections.abc import Iterable
from typing import Final, cast

from watcher.operations.keeper import Keeper
from watcher.state import keys
from watcher.state.client import Client, away_is_temporary, node_identities
from watcher.state.vote_log import VoteLog

AT_ONCE: Final = 500
"""Crucibles looked at in one round trip."""


class Sweep:
    """Looks at crucibles, and has the keeper see to those that Redis does not hold, or not as it was verified.

    Args:
        client: Redis.
        keeper: sees to them.
    """

    def __init__(self, client: Client, keeper: Keeper) -> None:
        self._client, self._keeper = client, keeper
        self._votes = VoteLog(client)

    def doubtful(self, crucible_ids: Iterable[int]) -> list[int]:
        """Those of the crucibles in which votes are refused until somebody compares them.

        On the way, a log with votes that its hint has been lost of gets it back.

        Raises:
            TemporaryError: Redis is away.
        """
        found: list[int] = []
        waiting = list(crucible_ids)
        while waiting:
            some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            self._votes.hint(one for one, votes in self._votes.lengths(some).items() if votes)
            with away_is_temporary():
                pipeline = self._client.pipeline(transaction=False)
                for one in some:
                    pipeline.hget(keys.state(one), "fence")
                fences = cast("list[bytes | None]", pipeline.execute())
                identities = node_identities(self._client, [keys.elo(one) for one in some])
            compared = zip(some, fences, identities, strict=True)
            found += [one for one, fence, identity in compared if (fence or b"").decode() != identity]
        return found

    def keep(self, crucible_ids: Iterable[int]) -> None:
        """Compare these.

        Raises:
            TemporaryError: a neighbour is away; some may be done.
        """
        for one in self.doubtful(crucible_ids):
            self._keeper.verify(one)
