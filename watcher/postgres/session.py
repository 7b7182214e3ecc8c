"""How PostgreSQL is used: a session opens a connection, limits each statement, and makes several one transaction.

Everything has to work through a pooler that hands a server connection on after each transaction (PgBouncer's
``pool_mode = transaction``), where what one client leaves behind is found by the next. Hence:

* no start-up options of ours, which such a pooler refuses; those of the connection string are left as they are;
* nothing is set for the session: a statement's time limit, and that it only reads, are settings of its transaction.
  They are sent with the statement in one request, of which PostgreSQL makes one transaction, so they cost no round trip
  and nothing has to be undone after an error;
* hence parameters are put into the text by the driver, and nothing is prepared, whose name would be somebody else's;
* locks are those of transactions.

The words of transactions and their limits are written here; what is asked is in ``.sql`` files, as everywhere.

Connections, those of the API's event loop too, are made in :mod:`watcher.postgres.connection`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from typing import Any, Final, LiteralString

import psycopg
from psycopg.errors import InFailedSqlTransaction
from psycopg.pq import TransactionStatus

from watcher.postgres.connection import CONNECTING, PATIENCE_FACTOR, BoundedConnection, connection_string
from watcher.postgres.faults import faults_named
from watcher.postgres.statement import limited, quoted, values
from watcher.sql_files import named_statements

MAX_LATER_CHARACTERS: Final = 100_000
"""Characters of statements that wait for the next one. More: one request carries several long ones and outlasts the
patience that is meant for one."""
_STATEMENTS: Final = named_statements(files("watcher.postgres"), "session.sql")
_OPEN: Final = frozenset({TransactionStatus.INTRANS, TransactionStatus.INERROR})


class Session:
    """An open connection, and the schema that belongs to the watcher.

    Each call commits on its own, unless within :meth:`together`.

    Args:
        connection: commits by itself.
        schema: the watcher's own; ``{schema}`` in a statement stands for it.
        timeout: seconds that the server has for each statement.
    """

    def __init__(self, connection: BoundedConnection, schema: str, timeout: float = 5.0) -> None:
        self._connection, self._timeout = connection, timeout
        self.schema = schema
        self._quoted = quoted(schema)
        self._unsent: list[str] = []
        """What goes out with the next request: the beginning of a transaction, and statements that may wait for it."""
        self._limit_seconds: float | None = None
        """The limit of statements that the transaction under way was told; None: none yet."""

    @property
    def backend(self) -> int:
        """Return the server's process that the connection was made with, as whoever took it has told."""
        return self._connection.info.backend_pid

    @property
    def is_open(self) -> bool:
        """Return whether the connection is there still; a server, or a pooler, may have ended it.

        To be asked between statements.
        """
        return self._connection.is_silent

    @property
    def address(self) -> str:
        """Return where the database is, without user and password: ``host:port/name``."""
        info = self._connection.info
        return f"{info.host}:{info.port}/{info.dbname}"

    def read(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement that changes nothing; outside :meth:`together` the server holds it to that.

        Raises:
            PostgresRefusedError: a table or a right is missing.
            TemporaryError: PostgreSQL is away.
        """
        return self._ask(query, parameters, read_only=True)

    def run(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement, or several that have no parameters.

        Args:
            query: the statement.
            parameters: its values in their order; or one mapping of them, where the statement names them.

        Returns:
            The rows of the last one, none for a statement that has none.

        Raises:
            PostgresRefusedError: a table or a right is missing.
            TemporaryError: PostgreSQL is away, or may only be read for now.
            ViolationError: the statement breaks a rule of the database.
        """
        return self._ask(query, parameters, read_only=False)

    def later(self, query: LiteralString, *parameters: object) -> None:
        """Run a statement whose rows nobody needs: within :meth:`together` with the next one, or with the commit.

        Saves a round trip; everywhere else it is run at once.

        Args:
            query: the statement.
            parameters: as of :meth:`run`.

        Raises:
            WatcherError: what :meth:`run` raises, here or from the call that it is sent with.
        """
        with faults_named(self.schema), psycopg.ClientCursor(self._connection) as cursor:
            alone = self._is_alone
            self._add(cursor, query, parameters)
            if alone or sum(map(len, self._unsent)) > MAX_LATER_CHARACTERS:
                self._send(cursor)

    def _ask(self, query: str, parameters: tuple[object, ...], *, read_only: bool) -> list[tuple[Any, ...]]:
        with faults_named(self.schema), psycopg.ClientCursor(self._connection) as cursor:
            self._add(cursor, query, parameters, read_only=read_only)
            self._send(cursor)
            answer = cursor.pgresult  # ``description`` would make an object of each column
            return cursor.fetchall() if answer is not None and answer.nfields else []

    @property
    def _is_alone(self) -> bool:
        """Return whether a statement that is run now is a transaction of its own."""
        return not self._unsent and self._connection.info.transaction_status == TransactionStatus.IDLE

    def _add(
        self,
        cursor: "psycopg.ClientCursor[Any]",
        query: str,
        parameters: tuple[object, ...],
        *,
        read_only: bool = False,
    ) -> None:
        """Add a statement to what goes out with the next request, after its limit unless the transaction has that."""
        alone, given = self._is_alone, values(parameters)
        text = query.replace("{schema}", self._quoted)
        if given:
            text = cursor.mogrify(text, given)
        if alone or self._limit_seconds != self._timeout:
            text = limited(text, self._timeout, read_only=read_only and alone)
            self._limit_seconds = None if alone else self._timeout
        self._unsent.append(text)

    def _send(self, cursor: "psycopg.ClientCursor[Any]") -> None:
        """Send what there is to be sent, as one request; the cursor has the rows of its last statement."""
        text = "\n;".join(self._unsent)  # on a line of its own: the last one may end in a comment
        self._unsent.clear()
        if text:
            cursor.execute(text)
            cursor.set_result(-1)

    @contextmanager
    def sent_alone(self, query: str) -> Iterator[tuple["psycopg.ClientCursor[Any]", bytes]]:
        """Give a cursor and the text of a statement that has to be a request of its own, as a COPY has; limits are set.

        Raises:
            RuntimeError: called outside of :meth:`together`, where it would have no limit.
        """
        if self._is_alone:
            raise RuntimeError("a COPY has the limits of its transaction: run it within together()")
        self.run("SELECT")  # sends what waits, and the limits with it
        with faults_named(self.schema), psycopg.ClientCursor(self._connection) as cursor:
            yield cursor, query.replace("{schema}", self._quoted).encode()

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Give each statement of the block so many seconds: for the few that are long by their nature."""
        before = self._timeout, self._connection.patience
        self._timeout, self._connection.patience = seconds, seconds * PATIENCE_FACTOR
        try:
            yield
        finally:
            self._timeout, self._connection.patience = before

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have what is run inside happen as a whole or not at all.

        The transaction begins with its first statement and ends with what was left for later, a request each.

        Raises:
            TemporaryError: nothing of it was done, because something inside failed and whoever ran it went on.
        """
        with faults_named(self.schema), self._transaction() if self._is_alone else self._savepoint():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._unsent.append("BEGIN")
        try:
            yield
            if self._unsent != ["BEGIN"]:  # else there was nothing
                self._commit()
        except BaseException:
            self._unsent.clear()
            if self._connection.info.transaction_status in _OPEN:
                with suppress(psycopg.Error):  # what was raised says more; the server ends it with the connection
                    self._connection.execute("ROLLBACK")
            raise
        finally:
            self._unsent.clear()
            self._limit_seconds = None

    def _commit(self) -> None:
        self._unsent.append("COMMIT")
        with psycopg.ClientCursor(self._connection) as cursor:
            self._send(cursor)
            if cursor.statusmessage != "COMMIT":  # of what has failed PostgreSQL makes a ROLLBACK, and no error
                raise InFailedSqlTransaction("a statement had failed, so nothing of its transaction was kept")

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._flush()
        try:
            with self._connection.transaction():
                yield
                self._flush()
        finally:
            self._unsent.clear()
            self._limit_seconds = None  # a savepoint that is given up has its limits undone

    def _flush(self) -> None:
        with psycopg.ClientCursor(self._connection) as cursor:
            self._send(cursor)

    def lock(self, what: str) -> None:
        """Wait until no other process holds this lock; it is given back at the end of :meth:`together`.

        Raises:
            RuntimeError: called outside of :meth:`together`, where it would be given back at once.
        """
        if self._is_alone:
            raise RuntimeError(f"the lock {what!r} is a transaction's: take it within together()")
        self.run(_STATEMENTS["lock"], f"crucible {self.schema} {what}")

    def ping(self) -> None:
        """Ask for an answer, within the transaction if one is open.

        Raises:
            TemporaryError: there is none, or the transaction is lost.
        """
        self.run(_STATEMENTS["ping"])

    def refuse_writes(self) -> None:
        """Have the server refuse to write until the end of :meth:`together`, whose first statement this has to be."""
        self.run(_STATEMENTS["refuse_writes"])


@contextmanager
def open_session(
    dsn: str, schema: str, timeout: float = 5.0, *, application: str = "crucible-watcher"
) -> Iterator[Session]:
    """Connect for the length of the block.

    Args:
        dsn: libpq's connection string.
        schema: the watcher's own schema.
        timeout: seconds to wait for the connection, and for each statement; libpq counts whole ones, two at least. A
            server that does not even say that it gives up is given up after ``PATIENCE_FACTOR`` times as long.
        application: name under which the server lists the connection.

    Raises:
        PostgresRefusedError: the connection string, password or database is wrong, or a right is missing.
        TemporaryError: PostgreSQL is away.
    """
    with faults_named(schema):
        connection = BoundedConnection.connect(connection_string(dsn, timeout, application), **CONNECTING)
    connection.patience = timeout * PATIENCE_FACTOR
    with connection:
        yield Session(connection, schema, timeout)
