"""What the site says of its users, remembered for seconds and asked for together.

Fails closed: without an answer nobody counts as somebody who may.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import structlog

from watcher.api.http.problem import ProblemError
from watcher.api.remembered import Remembered
from watcher.model.errors import TemporaryError

log = structlog.get_logger(__name__)

FRESH: Final = 10.0
"""Seconds for which an answer stands. Longer: a ban takes longer to be felt. Shorter: more questions."""
REMEMBERED: Final = 50_000
"""Users that are remembered."""


class Person(msgspec.Struct, frozen=True):
    """A user as the site's row has it."""

    banned: bool
    muted: bool
    deleted: bool
    browsing_level: int
    show_nsfw: bool
    score: float | None
    """``meta.scores.total``, which the site counts."""


Fetch = Callable[[Sequence[int]], Awaitable[list[dict[str, Any]]]]
"""Rows of some users. Raises ``TemporaryError``."""


class People:
    """The users.

    Args:
        fetch: asks the site.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._known: Remembered[int, tuple[float, Person | None]] = Remembered(REMEMBERED)
        self._wanted: dict[int, asyncio.Future[Person | None]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def known(self, user_id: int) -> Person | None:
        """The user, if the answer is still fresh and there is one; else :meth:`person` has to be awaited."""
        found = self._known.get(user_id)
        return found[1] if found is not None and found[0] > self._clock() else None

    async def person(self, user_id: int) -> Person:
        """The user.

        Raises:
            ProblemError: ``user_unknown``, or ``postgres_away``.
        """
        found = self._known.get(user_id)
        if found is not None and found[0] > self._clock():
            person = found[1]
        else:
            answer = self._wanted.get(user_id)
            if answer is None:
                loop = asyncio.get_running_loop()
                if not self._wanted:
                    loop.call_soon(self._ask)
                answer = self._wanted[user_id] = loop.create_future()
            person = await asyncio.shield(answer)
        if person is None:
            raise ProblemError("user_unknown")
        return person

    def _ask(self) -> None:
        wanted, self._wanted = self._wanted, {}
        task = asyncio.get_running_loop().create_task(self._answer(wanted))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _answer(self, wanted: "dict[int, asyncio.Future[Person | None]]") -> None:
        try:
            rows = {row["id"]: row for row in await self._fetch(list(wanted))}
            until = self._clock() + FRESH
            for user_id, answer in wanted.items():
                self._settle(user_id, rows.get(user_id), answer, until)
        except TemporaryError as error:
            _fail(wanted.values(), ProblemError("postgres_away"), error)
        except BaseException as error:
            # Also when this task is cancelled: whoever waits must hear something, whatever it was.
            _fail(wanted.values(), ProblemError("internal"), error)
            if not isinstance(error, Exception):
                raise
            log.exception("people.failed")

    def _settle(
        self, user_id: int, row: dict[str, Any] | None, answer: "asyncio.Future[Person | None]", until: float
    ) -> None:
        """One user's answer; a row that is not understood is that user's trouble and nobody else's."""
        try:
            person = None if row is None else msgspec.convert(row, Person)
        except msgspec.ValidationError as error:
            log.exception("people.row_not_understood", user_id=user_id)
            _fail([answer], ProblemError("internal"), error)
            return
        self._known.put(user_id, (until, person))
        if not answer.done():
            answer.set_result(person)


def _fail(answers: "Iterable[asyncio.Future[Person | None]]", problem: ProblemError, cause: BaseException) -> None:
    problem.__cause__ = cause
    for answer in answers:
        if not answer.done():
            answer.set_exception(problem)
            answer.exception()  # seen: whoever asked may have gone


def may_vote(person: Person) -> None:
    """Let those pass who may judge.

    Raises:
        ProblemError: why this one may not.
    """
    if person.banned:
        raise ProblemError("user_banned")
    if person.deleted:
        raise ProblemError("user_deleted")
    if person.muted:
        raise ProblemError("user_muted")
