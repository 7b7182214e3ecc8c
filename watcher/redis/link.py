"""One connection to Redis that concurrent requests share, made again whenever it is lost.

Nothing is sent twice: a lost connection fails everything that waits on it, and the client, who alone knows whether it
still wants the answer, asks again. So the identity below always is that of the very process that answers.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
import structlog
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url

from watcher.model.errors import TemporaryError
from watcher.redis.identity import identity_of
from watcher.redis.rehearsal import COMMANDS, refused
from watcher.redis.wire import Command, LinkLostError, Wire
from watcher.runtime.connection_faults import connection_fault
from watcher.runtime.retry import Retry

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at a connection: does it answer, and is it still the same process behind it?"""
CONNECTING: Final = Retry(0.05, 1.0)
"""Waits between two attempts to connect. Longer: votes are refused longer; shorter: a Redis that starts is hammered."""

_HOST, _PORT = "127.0.0.1", 6379
"""Where a Redis is whose address does not say."""


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
        self._wire: Wire | None = None
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

    async def _keep(self, wire: Wire) -> None:
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

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        wire = Wire(loop, self._on_error)
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

    async def _introduce(self, wire: Wire, options: dict[str, Any]) -> None:
        if options.get("password"):
            await _done(wire, ("AUTH", *filter(None, [options.get("username")]), options["password"]), "AUTH")
        if options.get("db"):
            await _done(wire, ("SELECT", options["db"]), "SELECT")
        await _done(wire, ("CLIENT", "SETNAME", f"crucible-{self.name}"), "CLIENT SETNAME")
        for script in self._scripts:
            await _done(wire, ("SCRIPT", "LOAD", script), "SCRIPT LOAD")
        self._identity = await _identity(wire)


async def _done(wire: Wire, command: Command, what: str) -> Any:
    answer = await wire.ask(command)
    if isinstance(answer, hiredis.ReplyError):
        raise LinkLostError(f"redis refuses {what}: {answer}")
    return answer


async def _identity(wire: Wire) -> str:
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
