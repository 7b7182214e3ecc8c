"""Commands to Redis in the course of a request: no answer is a problem that the client is told."""

from typing import Any

import hiredis

from watcher.api.http.problem import ProblemError
from watcher.redis.link import Link
from watcher.redis.refusals import refusal
from watcher.redis.scripts import Script
from watcher.redis.wire import Command, LinkLostError


async def ask_redis(link: Link, command: Command, script: Script | None = None) -> Any:
    """Return the answer to a command.

    Args:
        link: Redis.
        command: what to ask.
        script: what the command runs; loaded where this Redis does not know it yet.

    Raises:
        ProblemError: ``redis_away``, or ``redis_refuses``.
    """
    try:
        answer = await link.ask(command)
        if script is not None and isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT"):
            await link.load(script.text)
            answer = await link.ask(command)
    except LinkLostError as error:
        raise ProblemError("redis_away") from error
    if isinstance(answer, hiredis.ReplyError):
        raise refused(answer)
    return answer


async def ask_redis_together(link: Link, *commands: Command) -> list[Any]:
    """Return the answers to some commands that go out together, in their order.

    Raises:
        ProblemError: ``redis_away``, or ``redis_refuses`` for one of them.
    """
    try:
        waiting = [link.ask(command) for command in commands]
        answers = [await answer for answer in waiting]
    except LinkLostError as error:
        raise ProblemError("redis_away") from error
    for answer in answers:
        if isinstance(answer, hiredis.ReplyError):
            raise refused(answer)
    return answers


def refused(error: hiredis.ReplyError) -> ProblemError:
    """Return the problem that an error is which Redis answered."""
    problem = ProblemError("redis_away" if refusal(str(error)) is None else "redis_refuses")
    problem.__cause__ = error
    return problem
