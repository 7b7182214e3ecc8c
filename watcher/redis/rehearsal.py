"""Finds whether Redis would take what we write, and answer what we ask, without doing any of it.

Commands are queued in a transaction, which is given up: whoever may not run one, or may not run it now, is told when it
is queued, on every server.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from watcher.model.errors import RefusedError, TemporaryError
from watcher.redis import keys
from watcher.redis.client import packed
from watcher.redis.refusals import REASONS, refusal

_NAME: Final = keys.tag(0) + "rehearsal"
WRITES: Final[tuple[tuple[str, ...], ...]] = (
    ("HSET", _NAME, "field", "1"),
    ("HSETNX", _NAME, "field", "1"),
    ("HINCRBY", _NAME, "field", "1"),
    ("HDEL", _NAME, "field"),
    ("ZADD", _NAME, "1", "member"),
    ("ZREM", _NAME, "member"),
    ("SADD", _NAME, "member"),
    ("SREM", _NAME, "member"),
    ("XADD", _NAME, "*", "field", "1"),
    ("XTRIM", _NAME, "MAXLEN", "1"),
    ("XDEL", _NAME, "1"),
    ("SET", _NAME, "1"),
    ("DEL", _NAME),
    ("UNLINK", _NAME),
    ("EXPIRE", _NAME, "1"),
    ("PEXPIRE", _NAME, "1"),
    ("PERSIST", _NAME),
    ("EVALSHA", "0" * 40, "1", _NAME),
    ("EVAL", "return 1", "1", _NAME),
    ("HSET", keys.elo(0), "1", "1500"),
    ("SADD", keys.undrained(0), "1"),
    ("SET", keys.drain(0), "1"),
    ("SET", keys.limit(0, "votes"), "1"),
)
"""What the service writes with, and the names of which it writes keys."""
READS: Final[tuple[tuple[str, ...], ...]] = (
    ("GET", _NAME),
    ("EXISTS", _NAME),
    ("TTL", _NAME),
    ("TIME",),
    ("SCAN", "0"),
    ("HGET", _NAME, "field"),
    ("HMGET", _NAME, "field"),
    ("HEXISTS", _NAME, "field"),
    ("HKEYS", _NAME),
    ("HLEN", _NAME),
    ("HRANDFIELD", _NAME, "1"),
    ("HSCAN", _NAME, "0"),
    ("SCARD", _NAME),
    ("SISMEMBER", _NAME, "member"),
    ("SMEMBERS", _NAME),
    ("SRANDMEMBER", _NAME, "1"),
    ("SSCAN", _NAME, "0"),
    ("XLEN", _NAME),
    ("XRANGE", _NAME, "-", "+"),
    ("XREVRANGE", _NAME, "+", "-"),
    ("ZCARD", _NAME),
    ("ZRANGE", _NAME, "0", "1"),
    ("INFO", "server"),
)
"""What it reads with: a command that is missing is missed when something is counted, walked through or proven."""
_OF_READS: Final = ("noperm", "unknown")
"""Without memory, say, Redis lets nothing into a transaction, though it would answer by itself what reads."""
_PASSING: Final = ("readonly", "noreplicas")
"""Reasons that go by themselves where somebody switches over to another primary."""
COMMANDS: Final[tuple[tuple[str, ...], ...]] = (("MULTI",), *WRITES, *READS, ("DISCARD",))
"""Commands to be sent one after the other, on one connection, with nothing in between."""


def refused(answers: Sequence[object]) -> dict[str, str]:
    """Return what Redis refused, by command and key, with its words; empty if it would take all.

    Args:
        answers: to ``COMMANDS``, errors as values.
    """
    return {
        " ".join(command[:2]): str(answer)
        for command, answer in zip(COMMANDS, answers, strict=True)
        if isinstance(answer, Exception) and refusal(str(answer)) in (_OF_READS if command in READS else REASONS)
    }


def require_all_taken(refuses: Mapping[str, str]) -> None:
    """Return if Redis would take everything.

    Args:
        refuses: what it would not, as ``refused`` returns it.

    Raises:
        RefusedError: it would not, and waiting does not help: for want of a right, of memory, of a disk.
        TemporaryError: it is no primary, or has lost its replicas, which passes where Redis is switched over.
    """
    if not refuses:
        return
    what, why = next(iter(refuses.items()))
    more = f", and {len(refuses) - 1} more" if len(refuses) > 1 else ""
    kind = TemporaryError if refusal(why) in _PASSING else RefusedError
    raise kind(f"redis refuses {what}{more}: {why}; see `crucible doctor`")


def rehearse(client: Any) -> dict[str, str]:
    """Return what Redis would refuse, as ``refused`` does.

    Args:
        client: of one process, synchronous.

    Raises:
        redis.exceptions.RedisError: there is no answer.
    """
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_packed_command([b"".join(packed(*command) for command in COMMANDS)])
        answers: list[object] = []
        for _ in COMMANDS:
            try:
                answers.append(connection.read_response())
            except ResponseError as error:  # its first word is the kind of error that the client has made of it
                answers.append(ResponseError(f"{_word(error)}{error}"))
        return refused(answers)
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _word(error: ResponseError) -> str:
    words = {"NoPermissionError": "NOPERM ", "OutOfMemoryError": "OOM ", "ReadOnlyError": "READONLY "}
    return words.get(type(error).__name__, "")
