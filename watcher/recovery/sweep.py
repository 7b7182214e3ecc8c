"""Which crucibles want their verifier, looked for without being asked: one round of the sweep."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, cast

import structlog

from watcher.model.errors import TemporaryError
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, node_identities
from watcher.redis.vote_log import VoteLog

AT_ONCE: Final = 500
"""Crucibles looked at in one round trip."""
REMEMBERED: Final = 60.0
"""Seconds that a crucible which takes no votes is not asked about again. A first snapshot brings the entries of every
crucible there ever was, many times over. Longer: one that is set back to active waits as long for its verifier."""
GIVE_UP: Final = 3
"""Failures in a row that end a round: a neighbour is away, and every crucible would wait for it."""

log = structlog.get_logger(__name__)


class Keeps(Protocol):
    """Sees to crucibles; see ``Verifier``."""

    def verify(self, crucible_id: int) -> Comparison:
        """See to one."""
        ...

    def unfinished(self, crucible_ids: Sequence[int]) -> set[int]:
        """Those of them that may take votes."""
        ...


class Sweep:
    """Looks at crucibles, and has the verifier see to those that Redis does not hold, or not as it was verified.

    Args:
        client: Redis.
        verifier: sees to them.
    """

    def __init__(self, client: Client, verifier: Keeps) -> None:
        self._client, self._verifier = client, verifier
        self._votes = VoteLog(client)
        self._ended: dict[int, float] = {}
        self._failures: Counter[int] = Counter()

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

    def keep(self, crucible_ids: Iterable[int], stopping: Callable[[], bool] = lambda: False) -> None:
        """Compare these, those that failed before after the others. One that fails keeps no other one waiting.

        Args:
            crucible_ids: which.
            stopping: whether to leave the rest to whoever comes next.

        Raises:
            TemporaryError: a neighbour is away; some may be done.
        """
        away: list[TemporaryError] = []
        in_a_row = 0
        for one in sorted(self._open(self.doubtful(crucible_ids)), key=lambda one: (self._failures[one], one)):
            if stopping():
                break
            try:
                self._verifier.verify(one)
            except TemporaryError as error:
                self._failures[one] += 1
                away.append(error)
                in_a_row += 1
                if in_a_row == GIVE_UP:
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
        """Those that may take votes, by one question to PostgreSQL about all whose answer is not remembered."""
        now = time.monotonic()
        self._ended = {one: until for one, until in self._ended.items() if until > now}
        asked = [one for one in crucible_ids if one not in self._ended]
        if not asked:
            return []
        found = self._verifier.unfinished(asked)
        self._ended |= {one: now + REMEMBERED for one in asked if one not in found}
        return [one for one in asked if one in found]
