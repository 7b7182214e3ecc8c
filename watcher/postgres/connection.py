"""The two kinds of connection to PostgreSQL, with and without an event loop: how one is opened, and when given up.

Nothing is set that a pooler of transactions would hand to the next client (:mod:`watcher.postgres.session` says why),
but for how values are written, ``client_encoding`` and ``DateStyle``: such a pooler knows these two and keeps them for
each client. A role or a database may set them to what the driver cannot read.
"""

import select
import traceback
from typing import Any, Final, LiteralString, Self

import psycopg
from psycopg.abc import RV, Buffer, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import OperationalError
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from watcher.postgres.endless_times import ADAPTATION
from watcher.postgres.faults import PostgresRefusedError

PATIENCE_FACTOR: Final = 2.0
"""How long an answer is waited for, as a multiple of the time that the server gives a statement. Less: a slow network
looks like a silent server; more: whoever asks hangs longer."""
_PROBES: Final = 3
_ISO: Final = "ISO"
_ANY_BYTES: Final = "SQL_ASCII"
_TEXTS: Final = ("text", "varchar", "bpchar", "name")
"""PostgreSQL's types of text."""
CONNECTING: Final[dict[str, Any]] = {"autocommit": True, "prepare_threshold": None, "context": ADAPTATION}
"""What the driver is told besides the connection string, for either kind of connection."""


def connection_string(dsn: str, timeout: float, application: str) -> str:
    """Return the connection string with what it leaves open filled in; whatever it says itself holds.

    Args:
        dsn: libpq's connection string.
        timeout: seconds to wait for the connection; libpq counts whole ones, two at least.
        application: name under which the connection is listed by the server.

    Raises:
        PostgresRefusedError: libpq cannot read it. What libpq says is left out: it quotes what it stumbled over, which
            may be a part of the password.
    """
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise PostgresRefusedError(
            "postgres: libpq cannot read the connection string. A keyword is unknown; or a space or quote has to stand "
            "in 'single quotes', in a URL percent-encoded (%20, and %25 for %); mend postgres.dsn"
        ) from None
    between = max(1, round(timeout * PATIENCE_FACTOR))
    ours: dict[str, Any] = {
        "connect_timeout": max(2, round(timeout)),
        # For a connection on which nobody waits: no router forgets it, and a lost host is noticed.
        "keepalives_idle": between,
        "keepalives_interval": between,
        "keepalives_count": _PROBES,
        "tcp_user_timeout": _PROBES * between * 1000,
        "application_name": application,
        "client_encoding": "UTF8",
    }
    return make_conninfo("", **{**ours, **given})


class _ForgivingLoader(TextLoader):
    """Loads text of a database that takes any bytes for text (``SQL_ASCII``); bytes that are no UTF-8 are replaced."""

    def load(self, data: Buffer) -> str:
        """Return the text, whatever bytes there are."""
        return bytes(data).decode("utf-8", "replace")


def _unread(connection: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]") -> LiteralString:
    """Prepare a connection to read all text; return what has to be set so that it reads all else, mostly nothing."""
    status, unread = connection.info.parameter_status, list[LiteralString]()
    if status("server_encoding") == _ANY_BYTES:
        for name in _TEXTS:
            connection.adapters.register_loader(name, _ForgivingLoader)
        unread.append("SET client_encoding = SQL_ASCII")  # with another one the server fails at what is no text
    if not (status("DateStyle") or _ISO).startswith(_ISO):
        unread.append("SET DateStyle = ISO")
    return "; ".join(unread)


def _let_go(error: psycopg.Error) -> None:
    """Close what an attempt to connect that was given up has left open.

    The driver's frame holds the error and the half-made connection, and the error holds the frame. Only the garbage
    collector ends that circle, which looks seldom here; until then each attempt would keep one of the server's
    connections, and a server that is slow would soon have none left for anybody.
    """
    traceback.clear_frames(error.__traceback__)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up a server that falls silent.

    A server that is frozen, or whose host is lost, does not keep the limit that it was told.
    """

    patience = 10.0
    """Seconds to wait for an answer."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Return a connection that reads what the server writes, whatever role and database have set."""
        try:
            made = super().connect(conninfo, **options)
        except psycopg.Error as error:
            _let_go(error)
            raise
        if unread := _unread(made):
            made.execute(unread)
        return made

    @property
    def is_silent(self) -> bool:
        """Return whether nothing has come since the last answer: mostly what comes unasked is the connection's end."""
        if self.closed:
            return False
        arrived = select.poll()
        arrived.register(self.fileno(), select.POLLIN)
        return not arrived.poll(0)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Return what is waited for, at most ``patience`` seconds; without this the driver waits for ever.

        Raises:
            OperationalError: no answer came, and the connection is closed.
        """
        patience = self.patience if timeout is None else timeout
        try:
            return super().wait(gen, interval, patience)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()  # the answer, should it still come, is nobody's
            raise OperationalError(f"no answer within {patience:g} s") from error


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """A connection for an event loop, which gives up a silent server as :class:`BoundedConnection` does."""

    patience = 10.0
    """Seconds to wait for an answer."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Return a connection, as :meth:`BoundedConnection.connect` does."""
        try:
            made = await super().connect(conninfo, **options)
        except psycopg.Error as error:
            _let_go(error)
            raise
        if unread := _unread(made):
            await made.execute(unread)
        return made

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109
        """Return what is waited for, at most ``patience`` seconds, as :meth:`BoundedConnection.wait` does."""
        patience = self.patience if timeout is None else timeout
        try:
            return await super().wait(gen, interval, patience)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            await self.close()
            raise OperationalError(f"no answer within {patience:g} s") from error
