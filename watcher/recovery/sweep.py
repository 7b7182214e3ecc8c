"""One round of the sweep: finds crucibles that have to be compared though nobody has missed them."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final, cast

import structlog

from watcher.model.errors import RefusedError, TemporaryError
from watcher.model.words import counted
from watcher.recovery.verifier import Verifier
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, node_identities
from watcher.redis.present import Walk, doubt
from watcher.redis.site_files import known_files, remember_files
from watcher.redis.vote_log import VoteLog, hint_undrained

MAX_CRUCIBLES: Final = 500
"""Crucibles looked at in one round trip."""
MAX_PAGES: Final = 100
"""Pages of Redis' keys that one round looks through for crucibles that are gone: a hundred thousand keys, some fifty
milliseconds of Redis' time. More: votes wait; fewer: what was deleted while nobody read is noticed later."""
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
        self._votes, self._walk = VoteLog(client), Walk(client)
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

    def look_for_gone(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Look through a part of what Redis holds for crucibles that PostgreSQL does not have, and take them out.

        Raises:
            TemporaryError: a neighbour is away.
        """
        found, _ = self._walk.pages(MAX_PAGES)
        self.take_out_gone(found, stopping)

    def take_out_all_gone(self) -> list[int]:
        """Have every crucible leave Redis that PostgreSQL does not have, and return them.

        Raises:
            TemporaryError: a neighbour is away; some may be done.
        """
        return self.take_out_gone(sorted(self._all(lambda _: None)))

    def take_out_gone(self, crucible_ids: Sequence[int], stopping: Callable[[], bool] = lambda: False) -> list[int]:
        """Have those of the crucibles that PostgreSQL does not have leave Redis, and return them.

        Raises:
            TemporaryError: a neighbour is away; some may be done, and in none of them votes are taken.
        """
        gone: list[int] = []
        for at in range(0, len(crucible_ids), MAX_CRUCIBLES):
            gone += self._verifier.gone(crucible_ids[at : at + MAX_CRUCIBLES])
        doubt(self._client, gone)  # each was compared when it was there
        for one in gone:
            log.warning("crucible.gone", crucible=one)
        self.compare(gone, stopping)
        return gone

    def files_changed(self, files: str) -> bool:
        """Return whether the site's tables lay in other files when somebody, in any process, last looked.

        Raises:
            TemporaryError: Redis is away.
        """
        known = known_files(self._client)
        if not known:
            remember_files(self._client, files)
        return known not in {"", files}

    def doubt_all(self, files: str) -> list[int]:
        """Refuse votes in everything that Redis holds until it was compared, because rows have gone that nobody named.

        Args:
            files: which the site's tables lie in now; remembered once votes are refused.

        Returns:
            The crucibles that are to be compared.

        Raises:
            TemporaryError: Redis is away; votes may be refused in some.
        """
        found = self._all(partial(doubt, self._client))
        remember_files(self._client, files)
        log.warning("crucibles.doubted", crucibles=len(found))
        return sorted(found)

    def verify(self, crucible_ids: Iterable[int], stopping: Callable[[], bool] = lambda: False) -> None:
        """Compare crucibles, those that failed before last; one that fails keeps no other one waiting.

        Args:
            crucible_ids: which.
            stopping: whether to leave the rest to whoever comes next.

        Raises:
            TemporaryError: a neighbour is away; some may be done.
        """
        some = list(crucible_ids)
        self.restore_hints(some)
        self.compare(self._open(self.unverified(some)), stopping)

    def compare(self, crucible_ids: Iterable[int], stopping: Callable[[], bool] = lambda: False) -> None:
        """Have the verifier look at each of these, finished or not, as :meth:`verify` does with those that need it."""
        away: list[TemporaryError] = []
        in_a_row = 0
        for one in sorted(crucible_ids, key=lambda one: (self._failures[one], one)):
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
            kind = RefusedError if isinstance(away[-1], RefusedError) else TemporaryError
            raise kind(f"{counted(len(away), 'crucible')} could not be compared; the last: {away[-1]}") from away[-1]

    def _all(self, found: Callable[[list[int]], None]) -> set[int]:
        """Return all crucibles that Redis holds; ``found`` hears of each as it is found."""
        walk, whole, all_of_them = Walk(self._client), False, set[int]()
        while not whole:
            some, whole = walk.pages(MAX_PAGES)
            found(some)
            all_of_them.update(some)
        return all_of_them

    def _open(self, crucible_ids: list[int]) -> list[int]:
        """Return those that may take votes; PostgreSQL is asked once, about all whose answer is not remembered."""
        now = time.monotonic()
        self._ended = {one: until for one, until in self._ended.items() if until > now}
        asked = [one for one in crucible_ids if one not in self._ended]
        if not asked:
            return []
        found = self._verifier.unfinished(asked)
        self._ended |= {one: now + ENDED_SECONDS for one in asked if one not in found}
        return [one for one in asked if one in found]
