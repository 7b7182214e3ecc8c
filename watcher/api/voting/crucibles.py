"""What is known of a crucible, and where: live in Redis, finished in PostgreSQL, or about to be brought back."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from watcher.api.http.problem import ProblemError
from watcher.api.remembered import Remembered
from watcher.api.single_flight import SingleFlight
from watcher.api.site_problem import site_problem
from watcher.api.voting.ask_redis import ask_redis
from watcher.model.errors import TemporaryError
from watcher.model.judge_requirements import JudgeRequirements, judge_requirements
from watcher.model.row_state import FINISHED
from watcher.redis import keys
from watcher.redis.link import Link

LIVE_SECONDS: Final = 0.5
"""Seconds for which what Redis said of a crucible stands. Whether a vote counts is the script's to say, each time."""
STORED_SECONDS: Final = 2.0
"""Seconds for which what PostgreSQL said of a crucible that Redis lacks stands."""
COMING_BACK_SECONDS: Final = 0.1
"""Seconds for which it stands that a crucible is being brought back."""
COMING_BACK: Final = frozenset({"absent", "rebuilding"})
MAX_REMEMBERED_CRUCIBLES: Final = 10_000
"""Crucibles that are remembered."""


class Crucible(msgspec.Struct, frozen=True, kw_only=True):
    """A crucible as Redis has it while it is live, or as PostgreSQL has it when it is finished."""

    id: int
    name: str
    status: str
    level: int
    """Levels that it allows, as flags."""
    start_ms: int | None
    end_ms: int | None
    requirements: JudgeRequirements
    live: bool
    """Redis holds it; else only PostgreSQL does, and it is finished."""
    votes: int = 0
    frozen: bool = False
    """Its result is being worked out, or was: no vote counts any more, whatever its status and clock say."""

    @property
    def finished(self) -> bool:
        """Return whether nobody votes any more. Its standings are then PostgreSQL's; Redis may hold it for days."""
        return self.status in FINISHED


class _LiveRow(msgspec.Struct):
    name: str
    status: str
    level: int
    start: int | None = None
    end: int | None = None
    judges: str | None = None


_decode_row = msgspec.json.Decoder(_LiveRow).decode

FetchCrucible = Callable[[int], Awaitable[dict[str, Any] | None]]
"""Returns a crucible's row in PostgreSQL; None if it has none. Raises ``TemporaryError``."""


class Crucibles:
    """Every crucible of the site, remembered briefly.

    Args:
        link: the live state.
        fetch: asks PostgreSQL.
        on_absent: told of a crucible that Redis should hold and does not.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        link: Link,
        fetch: FetchCrucible,
        on_absent: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link, self._fetch, self._on_absent = link, fetch, on_absent
        self._remembered: Remembered[int, Crucible | str] = Remembered(MAX_REMEMBERED_CRUCIBLES, clock)
        self._asking: SingleFlight[int, Crucible | str] = SingleFlight()

    def known(self, crucible_id: int) -> Crucible | None:
        """Return the crucible, if what is known is fresh and there is one; else :meth:`find` has to be awaited."""
        found = self._remembered.get(crucible_id)
        return None if isinstance(found, str) else found

    async def find(self, crucible_id: int) -> Crucible:
        """Return the crucible.

        Raises:
            ProblemError: there is none, it is not there yet, or nobody can tell.
        """
        found = self._remembered.get(crucible_id)
        if found is None:
            found = await self._asking.get(crucible_id, partial(self._ask, crucible_id))
        if isinstance(found, str):
            if found in COMING_BACK:
                self._on_absent(crucible_id)
            raise ProblemError(found)
        return found

    def forget(self, crucible_id: int) -> None:
        """Ask anew the next time: what was known is no longer so."""
        self._remembered.forget(crucible_id)

    async def _ask(self, crucible_id: int) -> Crucible | str:
        """Return the crucible, or the code of the problem that there is none."""
        found, seconds = await self._live(crucible_id), LIVE_SECONDS
        if found is None:
            found, seconds = await self._stored(crucible_id), STORED_SECONDS
        if isinstance(found, str) and found in COMING_BACK:
            seconds = COMING_BACK_SECONDS
        self._remembered.put(crucible_id, found, seconds)
        return found

    async def _live(self, crucible_id: int) -> Crucible | str | None:
        names = ("row", "epoch", "before", "seq", "rebuilding", keys.FROZEN)
        row, epoch, before, seq, rebuilding, frozen = await ask_redis(
            self._link, ("HMGET", keys.state(crucible_id), *names)
        )
        if epoch is None and row is None:
            return None
        if rebuilding is not None:
            return "rebuilding"
        if not row:
            return "unknown_crucible"  # it was deleted; its votes are still on their way
        live = _decode_row(row)
        return Crucible(
            id=crucible_id,
            name=live.name,
            status=live.status,
            level=live.level,
            start_ms=live.start,
            end_ms=live.end,
            requirements=judge_requirements(live.judges),
            live=True,
            votes=int(before or 0) + int(seq or 0),
            frozen=frozen is not None,
        )

    async def _stored(self, crucible_id: int) -> Crucible | str:
        try:
            row = await self._fetch(crucible_id)
        except TemporaryError as error:
            raise site_problem(error) from error
        if row is None:
            return "unknown_crucible"
        if row["status"] not in FINISHED:
            return "absent"
        return Crucible(
            id=crucible_id,
            name=row["name"],
            status=row["status"],
            level=row["level"],
            start_ms=row["start_ms"],
            end_ms=row["end_ms"],
            requirements=judge_requirements(None),
            live=False,
            votes=int(row["votes"]),
        )
