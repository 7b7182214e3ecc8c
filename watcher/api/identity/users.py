"""What the site says of its users, remembered for seconds and asked for together.

Fails closed: without an answer nobody counts as somebody who may.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from watcher.api.http.problem import ProblemError
from watcher.api.remembered import Remembered
from watcher.api.single_flight import SingleFlight
from watcher.api.site_problem import site_problem
from watcher.model.errors import TemporaryError
from watcher.postgres.fair_queue import ASKER, EVERYBODY

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 10.0
"""Seconds for which an answer stands. Longer: a ban takes longer to be felt. Shorter: more questions."""
MAX_REMEMBERED_USERS: Final = 50_000
"""Users that are remembered; above it the one that was asked for longest ago is asked for again."""
MAX_QUESTIONS: Final = 2
"""Questions under way at a time; meanwhile those who come are gathered for the next. More: where users come by the
thousand, each question has few of them, and the queue is full of questions."""
_UNKNOWN: Final = "user_unknown"


class User(msgspec.Struct, frozen=True):
    """A user as the site's row has it."""

    banned: bool
    muted: bool
    deleted: bool
    browsing_level: int
    show_nsfw: bool
    score: float | None
    """``meta.scores.total``, which the site counts."""


UserRows = Mapping[int, dict[str, Any]]
FetchUsers = Callable[[Sequence[int]], Awaitable[list[dict[str, Any]]]]
"""Returns the rows of some users. Raises ``TemporaryError``."""


class Users:
    """The users of the site.

    Args:
        fetch: asks the site.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: FetchUsers, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._remembered: Remembered[int, User | str] = Remembered(MAX_REMEMBERED_USERS, clock)
        self._asking: SingleFlight[int, User | str] = SingleFlight()
        self._next: tuple[list[int], asyncio.Task[UserRows]] | None = None
        """The question that is about to be asked: its users, to whom more may be added, and its rows."""
        self._places = asyncio.Semaphore(MAX_QUESTIONS)

    def known(self, user_id: int) -> User | None:
        """Return the user, if the answer is still fresh and there is one; else :meth:`user` has to be awaited."""
        found = self._remembered.get(user_id)
        return None if isinstance(found, str) else found

    async def user(self, user_id: int) -> User:
        """Return the user.

        Raises:
            ProblemError: ``user_unknown``, ``postgres_away`` or ``overloaded``.
        """
        found = self._remembered.get(user_id)
        if found is None:
            found = await self._asking.get(user_id, partial(self._ask, user_id))
        if isinstance(found, str):
            raise ProblemError(found)
        return found

    async def _ask(self, user_id: int) -> User | str:
        try:
            rows = await asyncio.shield(self._together(user_id))
        except TemporaryError as error:
            raise site_problem(error) from error
        except Exception as error:
            raise ProblemError("internal") from error
        try:
            found = msgspec.convert(rows[user_id], User) if user_id in rows else _UNKNOWN
        except msgspec.ValidationError as error:  # this user's trouble and nobody else's
            log.exception("people.row_not_understood", user_id=user_id)
            raise ProblemError("internal") from error
        self._remembered.put(user_id, found, FRESH_SECONDS)
        return found

    def _together(self, user_id: int) -> "asyncio.Task[UserRows]":
        """Return the rows of the next question, for this user and all others who are asked for until it is asked."""
        if self._next is None:
            user_ids: list[int] = []
            self._next = user_ids, asyncio.get_running_loop().create_task(self._rows(user_ids))
        user_ids, rows = self._next
        user_ids.append(user_id)
        return rows

    async def _rows(self, user_ids: list[int]) -> UserRows:
        ASKER.set(EVERYBODY)
        async with self._places:
            self._next = None
            try:
                return {row["id"]: row for row in await self._fetch(user_ids)}
            except TemporaryError:
                raise
            except Exception:
                log.exception("people.failed")
                raise


def may_follow(user: User) -> None:
    """Let those pass who may see what goes on: one who is muted may.

    Raises:
        ProblemError: why this one may not.
    """
    if user.banned:
        raise ProblemError("user_banned")
    if user.deleted:
        raise ProblemError("user_deleted")


def may_vote(user: User) -> None:
    """Let those pass who may judge.

    Raises:
        ProblemError: why this one may not.
    """
    may_follow(user)
    if user.muted:
        raise ProblemError("user_muted")
