"""The watcher's own schema in the site's PostgreSQL: small, durable facts that neither Kafka nor a sink can hold."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from watcher.model.errors import StopError, TemporaryError, WatcherError

# libpq gives a refused connection no code, only the server's words. In another language than English they read as an
# outage, and the message is as clear.
_NOT_BY_WAITING = re.compile(r'authentication failed|(?:role|database) "[^"]*" does not exist|no pg_hba.conf entry')

PATIENCE: Final = 2.0
"""Times the limit that the server keeps for a statement: so long we wait for an answer. Less: a slow network looks like
a silent server; more: whoever asks hangs longer."""


class PostgresRefusedError(StopError):
    """PostgreSQL is there and refuses what the watcher needs."""


class ViolationError(WatcherError):
    """Raised when a statement breaks a rule that the database holds; nothing of it was done.

    Args:
        constraint: the rule's name.
        said: what the database says.
    """

    def __init__(self, constraint: str, said: str) -> None:
        super().__init__(said)
        self.constraint = constraint


class Session:
    """An open connection, and the schema that belongs to the watcher.

    Each call commits on its own, unless within :meth:`together`.
    """

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self._connection = connection
        self.schema = schema

    def run(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement; ``{schema}`` in it stands for the schema.

        Returns:
            The rows, none for a statement that has none.

        Raises:
            PostgresRefusedError: a table or a right is missing.
            TemporaryError: PostgreSQL is away, or may only be read for now.
            ViolationError: the statement breaks a rule of the database.
        """
        with _faults(self.schema):
            cursor = self._connection.execute(
                sql.SQL(query).format(schema=sql.Identifier(self.schema)), parameters or None
            )
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is run inside happens as a whole or not at all."""
        with _faults(self.schema), self._connection.transaction():
            yield

    def lock(self, what: str) -> None:
        """Wait until no other process holds this lock; it is given back at the end of :meth:`together`."""
        self.run("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", f"crucible {self.schema} {what}")


class _Connection(psycopg.Connection[Any]):
    """Gives up a server that falls silent: it keeps no limit while it is frozen, nor does a pooler or a lost host."""

    patience = 10.0
    """Seconds to wait for an answer."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Everything that waits for the server passes here; by itself the driver waits for ever."""
        patience = self.patience if timeout is None else timeout
        try:
            return super().wait(gen, interval, patience)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()  # the answer, should it still come, is nobody's
            raise psycopg.OperationalError(f"no answer within {patience:g} s") from error


def readable(dsn: str) -> str:
    """The connection string, if libpq can read it.

    Raises:
        PostgresRefusedError: it cannot. What it says is left out: it quotes what it stumbled over, which may be a part
            of the password.
    """
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise PostgresRefusedError(
            "postgres: libpq cannot read the connection string. A keyword is unknown; or a space or quote has to stand "
            "in 'single quotes', in a URL percent-encoded (%20, and %25 for %); mend postgres.dsn"
        ) from None
    return dsn


@contextmanager
def open_session(dsn: str, schema: str, timeout: float = 5.0) -> Iterator[Session]:
    """Connect for the length of the block.

    Args:
        dsn: libpq's connection string.
        schema: the watcher's own schema.
        timeout: seconds to wait for the connection, and for each statement; libpq counts whole ones, two at least. A
            server that does not even say that it gives up is given up after ``PATIENCE`` times as long.

    Raises:
        PostgresRefusedError: the connection string, password or database is wrong, or a right is missing.
        TemporaryError: PostgreSQL is away.
    """
    patience = timeout * PATIENCE
    probes, between = 3, max(1, round(patience))
    with _faults(schema):
        connection = _Connection.connect(
            readable(dsn),
            autocommit=True,
            connect_timeout=max(2, round(timeout)),
            # For a connection on which nobody waits: no router forgets it, and a lost host is noticed.
            keepalives_idle=between,
            keepalives_interval=between,
            keepalives_count=probes,
            tcp_user_timeout=probes * between * 1000,
            application_name="crucible-watcher",
            prepare_threshold=None,  # a pooler hands on what others have prepared under the same names
        )
    connection.patience = patience
    with connection:
        session = Session(connection, schema)
        session.run("SELECT set_config('statement_timeout', %s, false)", f"{max(1, round(timeout * 1000))}ms")
        yield session


@contextmanager
def _faults(schema: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
        raise PostgresRefusedError(
            f"postgres: {_said(error)}; run debezium/postgres/watcher.sql as an administrator, which makes the schema "
            f"{schema} (postgres.watcher_schema) and gives the watcher's role what it needs"
        ) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        said = _said(error)
        if f'"{schema}.' in said:
            raise PostgresRefusedError(f"postgres: {said}; start the watcher once, it creates its tables") from error
        raise PostgresRefusedError(
            f"postgres: {said}; let postgres.dsn name the site's database, and run debezium/postgres/watcher.sql there "
            "as an administrator, which lets the watcher's role read the site's tables"
        ) from error
    except psycopg.IntegrityError as error:
        raise ViolationError(error.diag.constraint_name or "", _said(error)) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if _NOT_BY_WAITING.search(str(error)):
            raise PostgresRefusedError(f"postgres: {_said(error)}; check postgres.dsn") from error
        raise TemporaryError(f"postgres is away: {_said(error)}") from error
    except psycopg.InternalError as error:
        # What the server or the session cannot do, not what was asked: a standby or a full disk made it read-only, a
        # transaction was ended because it stood idle.
        raise TemporaryError(f"postgres cannot do that for now: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).strip().partition("\n")[0]
