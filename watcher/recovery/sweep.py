"""Which crucibles have to be compared, looked for without being asked: one round of the sweep."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Final, cast

import structlog

from watcher.model.errors import TemporaryError
from watcher.recovery.verifier import Verifier
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, node_identities
from watcher.redis.vote_log import VoteLog, hint_undrained

MAX_CRUCIBLES: Final = 500
"""Crucibles looked at in one round trip."""
ENDED_SECONDS: Final = 60.0
"""Time for which a crucible that takes no votes is not asked about again. A first snapshot brings the entries of every
crucible there ever was, many times over. Longer: one that is set back to active waits as long for its verifier."""
MAX_FAILURES: Final = 3
"""Failures in a row that end a round: a neighbour is away, and every crucible would wait for it."""

log = structlog.get_logger(__name__)


class Sweep:
    """Looks at crucibles, and has the verifier compare those that Redis does not hold, or not as it was verified.

    Args:
        client: Redis.
        verifier: compares them.
    """

    def __init__(self, client: Client, verifier: Verifier) -> None:
        self._client, self._verifier = client, verifier
        self._votes = VoteLog(client)
        self._ended: dict[int, float] = {}
        self._failures: Counter[int] = Counter()

    def unverified(self, crucible_ids: Iterable[int]) -> list[int]:
        """Return those of the crucibles in which votes are refused until somebody compares them.

        Raises:
            TemporaryError: Redis is away.
        """
        found: list[int] = []
        waiting = list(crucible_ids)
        while waiting:
            some, waiting = waiting[:MAX_CRUCIBLES], waiting[MAX_CRUCIBLES:]
            with away_is_temporary():
                pipeline = self._client.pipeline(transaction=False)
                for one in some:
                    pipeline.hget(keys.state(one), "fence")
                fences = cast("list[bytes | None]", pipeline.execute())
                identities = node_identities(self._client, [keys.elo(one) for one in some])
            compared = zip(some, fences, identities, strict=True)
            found += [one for one, fence, identity in compared if (fence or b"").decode() != identity]
        return found

    def restore_hints(self, crucible_ids: Collection[int]) -> None:
        """Have the logs of these crucibles that hold votes drained, although a crash may have taken their hints.

        Raises:
            TemporaryError: Redis is away.
        """
        hint_undrained(self._votes, list(crucible_ids))

    def verify(self, crucible_ids: Iterable[int], stopping: Callable[[], bool] = lambda: False) -> None:
        """Compare these, those that failed before after the others. One that fails keeps no other one waiting.

        Args:
            crucible_ids: which.
            stopping: whether to leave the rest to whoever comes next.

        Raises:
            TemporaryError: a neighbour is away; some may be done.
        """
        away: list[TemporaryError] = []
        in_a_row = 0
        some = list(crucible_ids)
        self.restore_hints(some)
        for one in sorted(self._open(self.unverified(some)), key=lambda one: (self._failures[one], one)):
            if stopping():
                break
            try:
                self._verifier.verify(one)
            except TemporaryError as error:
                self._failures[one] += 1
                away.append(error)
                in_a_row += 1
                if in_a_row == MAX_FAILURES:
                    break
            except Exception as error:  # this crucible's votes stay refused; the others' need not
                self._failures[one] += 1
                log.exception("verifier.failed", crucible=one, error=str(error))
                in_a_row = 0
            else:
                del self._failures[one]
                in_a_row = 0
        if away:
            raise TemporaryError(f"{len(away)} crucibles were not compared; the last of them: {away[-1]}") from away[-1]

    def _open(self, crucible_ids: list[int]) -> list[int]:
        """Return those that may take votes, by one question to PostgreSQL about all whose answer is not remembered."""
        now = time.monotonic()
        self._ended = {one: until for one, until in self._ended.items() if until > now}
        asked = [one for one in crucible_ids if one not in self._ended]
        if not asked:
            return []
        found = self._verifier.unfinished(asked)
        self._ended |= {one: now + ENDED_SECONDS for one in asked if one not in found}
        return [one for one in asked if one in found]
