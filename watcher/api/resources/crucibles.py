"""What is known of a crucible, and where: live in Redis, finished in PostgreSQL, or about to be brought back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from watcher.api.http.problem import ProblemError
from watcher.api.remembered import Remembered
from watcher.api.resources.asking import asked
from watcher.model.errors import TemporaryError
from watcher.model.judge_requirements import JudgeRequirements, judge_requirements
from watcher.model.row_state import FINISHED
from watcher.redis import keys
from watcher.redis.link import Link

LIVE_FOR: Final = 0.5
"""Seconds for which what Redis said of a crucible stands. Whether a vote counts is the script's to say, each time."""
AWAY_FOR: Final = 2.0
"""Seconds for which what PostgreSQL said of a crucible that Redis lacks stands."""
BACK_SOON: Final = 0.1
"""Seconds for which it stands that a crucible is being brought back."""
COMING_BACK: Final = frozenset({"absent", "rebuilding"})
REMEMBERED: Final = 10_000
"""Crucibles that are remembered."""

T = TypeVar("T")


class Crucible(msgspec.Struct, frozen=True, kw_only=True):
    """A crucible."""

    id: int
    name: str
    status: str
    level: int
    """Flags."""
    start_ms: int | None
    end_ms: int | None
    requirements: JudgeRequirements
    live: bool
    """Redis holds it; else only PostgreSQL does, and it is finished."""
    votes: int = 0

    @property
    def finished(self) -> bool:
        """Whether nobody votes any more; its standings are then PostgreSQL's, though Redis may hold it for days."""
        return self.status in FINISHED


class _Row(msgspec.Struct):
    name: str
    status: str
    level: int
    start: int | None = None
    end: int | None = None
    judges: str | None = None


_row = msgspec.json.Decoder(_Row).decode

Fetch = Callable[[int], Awaitable[dict[str, Any] | None]]
"""A crucible's row in PostgreSQL. Raises ``TemporaryError``."""


class Crucibles:
    """The crucibles.

    Args:
        link: the live state.
        fetch: asks PostgreSQL.
        absent: told of a crucible that Redis should hold and does not.
        clock: monotonic seconds.
    """

    def __init__(
        self, link: Link, fetch: Fetch, absent: Callable[[int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link, self._fetch, self._absent, self._clock = link, fetch, absent, clock
        self._known = Remembered[int, tuple[float, Crucible | str]](REMEMBERED)
        self._asking: dict[int, asyncio.Task[Crucible | str]] = {}

    def known(self, crucible_id: int) -> Crucible | None:
        """The crucible, if what is known is fresh; else :meth:`find` has to be awaited."""
        found = self._known.get(crucible_id)
        if found is None or found[0] <= self._clock() or isinstance(found[1], str):
            return None
        return found[1]

    async def find(self, crucible_id: int) -> Crucible:
        """The crucible.

        Raises:
            ProblemError: there is none, it is not there yet, or nobody can tell.
        """
        found = self._known.get(crucible_id)
        if found is not None and found[0] > self._clock():
            crucible = found[1]
        else:
            task = self._asking.get(crucible_id)
            if task is None:
                task = asyncio.get_running_loop().create_task(self._ask(crucible_id))
                self._asking[crucible_id] = task
                task.add_done_callback(lambda _: self._asking.pop(crucible_id, None))
            crucible = await asyncio.shield(task)
        if isinstance(crucible, str):
            if crucible in COMING_BACK:
                self._absent(crucible_id)
            raise ProblemError(crucible)
        return crucible

    def forget(self, crucible_id: int) -> None:
        """What was known is no longer so."""
        self._known.pop(crucible_id, None)

    async def _ask(self, crucible_id: int) -> Crucible | str:
        crucible: Crucible | str | None = await self._live(crucible_id)
        stands = LIVE_FOR
        if crucible is None:
            crucible = await self._stored(crucible_id)
            stands = AWAY_FOR
        if isinstance(crucible, str) and crucible in COMING_BACK:
            stands = BACK_SOON
        self._known.put(crucible_id, (self._clock() + stands, crucible))
        return crucible

    async def _live(self, crucible_id: int) -> Crucible | str | None:
        names = ("row", "epoch", "before", "seq", "rebuilding")
        row, epoch, before, seq, rebuilding = await asked(self._link, ("HMGET", keys.state(crucible_id), *names))
        if epoch is None and row is None:
            return None
        if rebuilding is not None:
            return "rebuilding"
        if not row:
            return "unknown_crucible"  # it was deleted; its votes are still on their way
        told = _row(row)
        return Crucible(
            id=crucible_id,
            name=told.name,
            status=told.status,
            level=told.level,
            start_ms=told.start,
            end_ms=told.end,
            requirements=judge_requirements(told.judges),
            live=True,
            votes=int(before or 0) + int(seq or 0),
        )

    async def _stored(self, crucible_id: int) -> Crucible | str:
        try:
            row = await self._fetch(crucible_id)
        except TemporaryError as error:
            raise ProblemError("postgres_away") from error
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
