"""One connection to Redis that concurrent requests share, their commands gathered into pipelines, one at a time.

A pipeline leaves at the end of the loop turn in which its first command was asked, or, while another is under way, when
that one's last answer is there: the busier Redis is, the more go together.

Nothing is sent twice: a lost connection fails everything that waits on it, and the client, who alone knows whether it
still wants the answer, asks again. So the identity below always is that of the very process that answers.

The protocol is hiredis', the connection ours: awaiting each call of redis-py costs three times as much.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis
import structlog
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url

from watcher.model.errors import TemporaryError
from watcher.redis.identity import identity_of
from watcher.redis.leaving import says_it_is_no_primary
from watcher.redis.rehearsal import COMMANDS, refused
from watcher.runtime.connection_faults import connection_fault
from watcher.runtime.retry import Retry

log = structlog.get_logger(__name__)

Command = Sequence[str | bytes | int]

MAX_WAITING_COMMANDS: Final = 20_000
"""Commands that may wait for answers. Above it a call fails at once: Redis is slower than what comes in, and a longer
queue would only make every answer late."""
LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at a connection: does it answer, and is it still the same process behind it?"""
CONNECTING: Final = Retry(0.05, 1.0)
"""Waits between two attempts to connect. Longer: votes are refused longer; shorter: a Redis that starts is hammered."""

_HOST, _PORT = "127.0.0.1", 6379
"""Where a Redis is whose address does not say."""
_NOTHING: Final = object()
_LEFT: Final = ("UNBLOCKED", "NOAUTH")
"""Beginnings of errors that say that this is no longer the connection that we made."""


class LinkLostError(Exception):
    """Raised where there is no connection, or it was lost before the answer: whether the command ran is unknown."""


class Link:
    """The connection, made again for as long as :meth:`run` runs.

    Args:
        url: address, with password if any.
        timeout: seconds without an answer until the connection counts as lost.
        scripts: texts that are loaded at each connect, before anything else may be sent.
        name: what ``CLIENT LIST`` shows.
        on_error: told of each error that Redis answers.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        scripts: Sequence[str] = (),
        name: str = "api",
        *,
        on_error: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._options: dict[str, Any] = dict(parse_url(url))
        self._timeout, self._scripts, self.name = timeout, tuple(scripts), name
        self._wire: _Wire | None = None
        self._identity, self._on_error = "", on_error

    @property
    def identity(self) -> str:
        """Return ``run_id:replication_id`` of the process at the other end, which fences votes; empty without one."""
        return self._identity

    def ask(self, command: Command) -> "asyncio.Future[Any]":
        """Send a command with the next pipeline.

        Returns:
            Its answer; an error that Redis answers is a value, ``hiredis.ReplyError``.

        Raises:
            LinkLostError: at once, or from the future.
        """
        wire = self._wire
        if wire is None:
            raise LinkLostError("there is no connection to redis")
        return wire.ask(command)

    def ask_when_sent(self, command: Callable[[], Command]) -> "asyncio.Future[Any]":
        """Send a command that is made up when the next pipeline leaves; answers and errors are those of :meth:`ask`."""
        wire = self._wire
        if wire is None:
            raise LinkLostError("there is no connection to redis")
        return wire.ask(command)

    def tell(self, command: Command) -> None:
        """Send a command whose answer nobody needs; does nothing while there is no connection."""
        if self._wire is not None:
            self._wire.tell(command)

    def tell_once(self, command: tuple[str | bytes | int, ...]) -> None:
        """Send a command whose answer nobody needs, unless the same one already waits to be sent."""
        if self._wire is not None:
            self._wire.tell_once(command)

    async def load(self, script: str) -> None:
        """Load a script that Redis lost (``SCRIPT FLUSH``).

        Raises:
            LinkLostError: the connection was lost.
        """
        await self.ask(("SCRIPT", "LOAD", script))

    async def ping(self) -> None:
        """Ask for an answer.

        Raises:
            LinkLostError: there is none.
        """
        await self.ask(("PING",))

    async def rehearse(self) -> dict[str, str]:
        """Return what Redis would refuse, see :mod:`watcher.redis.rehearsal`.

        Raises:
            LinkLostError: the connection was lost.
        """
        waiting = [self.ask(command) for command in COMMANDS]  # in one turn of the loop: nothing comes in between
        return refused([await answer for answer in waiting])

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        failures = 0
        try:
            while True:
                try:
                    async with asyncio.timeout(self._timeout):
                        wire = await self._connect()
                except (OSError, TimeoutError, LinkLostError) as error:
                    log.warning("link.failed", link=self.name, error=self._fault(error))
                    failures += 1
                    await asyncio.sleep(CONNECTING.wait_seconds(failures))
                    continue
                failures = 0
                await self._keep(wire)
                log.warning("link.lost", link=self.name)
        finally:
            self._part()

    async def _keep(self, wire: "_Wire") -> None:
        """Wait until the connection is lost, or another process answers on it."""
        self._wire = wire
        try:
            while not wire.lost.done():
                await asyncio.wait([wire.lost], timeout=LOOK_SECONDS)
                if wire.lost.done():
                    return
                async with asyncio.timeout(self._timeout):
                    identity = await _identity(wire)
                if identity != self._identity:
                    return
        except (TimeoutError, LinkLostError):
            return
        finally:
            self._part()

    def _fault(self, error: Exception) -> str:
        """Return why there is no connection."""
        if isinstance(error, TimeoutError) and error.errno is None:
            return f"no answer within {self._timeout:g} s"
        host, port = self._options.get("host", _HOST), self._options.get("port", _PORT)
        return connection_fault(error, host, port) or str(error) or type(error).__name__

    def _part(self) -> None:
        wire, self._wire, self._identity = self._wire, None, ""
        if wire is not None:
            wire.close()

    async def _connect(self) -> "_Wire":
        loop = asyncio.get_running_loop()
        wire = _Wire(loop, self._on_error)
        options = dict(self._options)
        kind = options.pop("connection_class", None)
        if kind is not None and issubclass(kind, UnixDomainSocketConnection):
            await loop.create_unix_connection(lambda: wire, options["path"])
        else:
            secure = None
            if kind is not None and issubclass(kind, SSLConnection):
                secure = SSLConnection(**options).ssl_context.get()
            host, port = options.get("host", _HOST), options.get("port", _PORT)
            await loop.create_connection(lambda: wire, host, port, ssl=secure)
        try:
            await self._introduce(wire, options)
        except BaseException:
            wire.close()
            raise
        return wire

    async def _introduce(self, wire: "_Wire", options: dict[str, Any]) -> None:
        if options.get("password"):
            await _done(wire, ("AUTH", *filter(None, [options.get("username")]), options["password"]), "AUTH")
        if options.get("db"):
            await _done(wire, ("SELECT", options["db"]), "SELECT")
        await _done(wire, ("CLIENT", "SETNAME", f"crucible-{self.name}"), "CLIENT SETNAME")
        for script in self._scripts:
            await _done(wire, ("SCRIPT", "LOAD", script), "SCRIPT LOAD")
        self._identity = await _identity(wire)


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type] # its stub names one type too many
    return packed


def _is_lost(error: str) -> bool:
    return error.startswith(_LEFT) or says_it_is_no_primary(error)


async def _done(wire: "_Wire", command: Command, what: str) -> Any:
    answer = await wire.ask(command)
    if isinstance(answer, hiredis.ReplyError):
        raise LinkLostError(f"redis refuses {what}: {answer}")
    return answer


async def _identity(wire: "_Wire") -> str:
    """Return ``run_id:master_replid``; the first changes with each start, the second with each promotion or resync.

    Raises:
        LinkLostError: the connection was lost, the process is a replica, or it does not say who it is.
    """
    told: dict[str, object] = {}
    for section in ("server", "replication"):
        answer = await _done(wire, ("INFO", section), "INFO")
        told |= dict(line.split(":", 1) for line in answer.decode("latin-1").split("\r\n") if ":" in line)
    try:
        return identity_of(told)
    except TemporaryError as error:
        raise LinkLostError(str(error)) from error


class _Wire(asyncio.Protocol):
    """The bytes of one connection: commands out, answers in, in the same order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_error: Callable[[str], None]) -> None:
        self._loop, self._on_error = loop, on_error
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._waiting: deque[asyncio.Future[Any] | None] = deque()
        self._outgoing: list[bytes | Callable[[], Command]] = []
        self._told: set[tuple[str | bytes | int, ...]] = set()
        self._under_way = 0  # answers that what was sent has yet to bring
        self.lost: asyncio.Future[None] = loop.create_future()

    def ask(self, command: Command | Callable[[], Command]) -> "asyncio.Future[Any]":
        if len(self._waiting) >= MAX_WAITING_COMMANDS:
            raise LinkLostError("redis is slower than what is asked of it")
        answer = self._loop.create_future()
        self._send(command, answer)
        return answer

    def tell(self, command: Command) -> bool:
        if len(self._waiting) >= MAX_WAITING_COMMANDS:
            return False
        self._send(command, None)
        return True

    def tell_once(self, command: tuple[str | bytes | int, ...]) -> None:
        if command not in self._told and self.tell(command):  # one that was dropped was not told
            self._told.add(command)

    def _send(self, command: Command | Callable[[], Command], answer: "asyncio.Future[Any] | None") -> None:
        if self.lost.done():
            raise LinkLostError("the connection to redis was lost")
        if not self._outgoing and not self._under_way:
            self._loop.call_soon(self._flush)
        self._outgoing.append(command if callable(command) else _packed(command))
        self._waiting.append(answer)

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(_packed(one()) if callable(one) else one for one in self._outgoing))
        self._under_way = len(self._waiting)
        self._outgoing.clear()
        self._told.clear()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._fail()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._fail()

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not _NOTHING:
                future = waiting.popleft()
                self._under_way -= 1
                if future is not None and not future.done():
                    future.set_result(answer)
                if isinstance(answer, hiredis.ReplyError):
                    self._on_error(str(answer))
                    if _is_lost(str(answer)):
                        self.close()
                        return
        except (hiredis.ProtocolError, IndexError):
            self.close()
            return
        if not self._under_way and self._outgoing:
            self._flush()

    def _fail(self) -> None:
        """Fail everything that waits for an answer; whether it was carried out is unknown."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for future in waiting:
            if future is not None and not future.done():
                future.set_exception(LinkLostError("the connection to redis was lost"))
                future.exception()  # seen: whoever asked may have gone
        if not self.lost.done():
            self.lost.set_result(None)
