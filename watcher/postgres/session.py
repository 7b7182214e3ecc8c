"""How a connection to PostgreSQL is opened and used, with and without an event loop: the one place that decides it.

Everything has to work through a pooler that hands a server connection on after each transaction (PgBouncer's
``pool_mode = transaction``), where what one client leaves behind is found by the next. Hence:

* no start-up options of ours, which such a pooler refuses; those of the connection string are left as they are;
* nothing is set for the session: a statement's time limit, and that it only reads, are settings of its transaction.
  They are sent with the statement in one request, of which PostgreSQL makes one transaction, so they cost no round trip
  and nothing has to be undone after an error;
* hence parameters are put into the text by the driver, and nothing is prepared, whose name would be somebody else's;
* locks are those of transactions.

The words of transactions and their limits are written here; what is asked is in ``.sql`` files, as everywhere.

How values are written, ``client_encoding`` and ``DateStyle``, is of the session all the same: such a pooler knows these
two and gives each client its own. A role or a database may set them to what the driver cannot read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
from typing import Any, Final, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.abc import RV, Buffer, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InFailedSqlTransaction, OperationalError
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from watcher.postgres.endless_times import ADAPTATION
from watcher.postgres.faults import PostgresRefusedError, faults_named
from watcher.sql_files import named_statements

PATIENCE_FACTOR: Final = 2.0
"""Times the limit that the server keeps for a statement: so long we wait for an answer. Less: a slow network looks like
a silent server; more: whoever asks hangs longer."""
MAX_LATER_CHARACTERS: Final = 100_000
"""Of statements that wait for the next one. More: one request carries several long ones and outlasts the patience that
is meant for one."""
_STATEMENTS: Final = named_statements(files("watcher.postgres"), "session.sql")
_PROBES: Final = 3
_ISO: Final = "ISO"
_ANY_BYTES: Final = "SQL_ASCII"
_TEXTS: Final = ("text", "varchar", "bpchar", "name")
"""PostgreSQL's types of text."""
_OPEN: Final = frozenset({TransactionStatus.INTRANS, TransactionStatus.INERROR})


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


def limited(query: str, timeout: float, *, read_only: bool) -> str:
    """Return a statement with its limits before it, to be sent as one request.

    PostgreSQL runs the statements of a request in one transaction, or in the one that is open.

    Args:
        query: one statement; or several without parameters, of which the last one's rows are meant.
        timeout: seconds after which the server gives up.
        read_only: have the server refuse to write, until the end of the transaction.

    >>> limited("SELECT 1", 0.25, read_only=True)
    'SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 250; SELECT 1'
    """
    limit = f"SET LOCAL statement_timeout = {max(1, round(timeout * 1000))}; {query}"
    return f"SET TRANSACTION READ ONLY; {limit}" if read_only else limit


def quoted(name: str) -> str:
    """Return a name as it stands in SQL."""
    return sql.Identifier(name).as_string(None)


CONNECTING: Final[dict[str, Any]] = {"autocommit": True, "prepare_threshold": None, "context": ADAPTATION}
"""What the driver is told besides the connection string, for either kind of connection."""


class _ForgivingLoader(TextLoader):
    """Loads text of a database that takes any bytes for text (``SQL_ASCII``); what is none is shown as replaced."""

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


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up a server that falls silent: frozen, it keeps no limit, nor does a lost host."""

    patience = 10.0
    """Seconds to wait for an answer."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Return a connection that reads what the server writes, whatever role and database have set."""
        made = super().connect(conninfo, **options)
        if unread := _unread(made):
            made.execute(unread)
        return made

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Everything that waits for the server passes here; by itself the driver waits for ever."""
        patience = self.patience if timeout is None else timeout
        try:
            return super().wait(gen, interval, patience)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()  # the answer, should it still come, is nobody's
            raise OperationalError(f"no answer within {patience:g} s") from error


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """The same for an event loop."""

    patience = 10.0
    """Seconds to wait for an answer."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Return a connection, as :meth:`BoundedConnection.connect` does."""
        made = await super().connect(conninfo, **options)
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
        """Whether what is run now is a transaction of its own."""
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
        alone, values = self._is_alone, _values(parameters)
        text = query.replace("{schema}", self._quoted)
        if values:
            text = cursor.mogrify(text, values)
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

    def copy_out(self, query: LiteralString, *parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a ``COPY ... TO STDOUT`` as they come: by the million, without holding them.

        Values are text, and None for NULL.

        Raises:
            RuntimeError: called outside of :meth:`together`, where it would have no limit.
        """
        text = self._copying(query)
        with (
            faults_named(self.schema),
            psycopg.ClientCursor(self._connection) as cursor,
            cursor.copy(text, _values(parameters)) as copied,
        ):
            yield from copied.rows()

    def copy_in(self, query: LiteralString, blocks: Iterable[str]) -> None:
        r"""Send lines of text to a ``COPY ... FROM STDIN``; their columns are divided by ``\t``.

        Args:
            query: the statement.
            blocks: any number of whole lines each.

        Raises:
            RuntimeError: called outside of :meth:`together`, where it would have no limit.
        """
        text = self._copying(query)
        with faults_named(self.schema), self._connection.cursor() as cursor, cursor.copy(text) as copying:
            for block in blocks:
                copying.write(block)

    def _copying(self, query: str) -> bytes:
        """Return a statement that is sent by itself, which a COPY has to be; its limit is set before it."""
        if self._is_alone:
            raise RuntimeError("a COPY has the limits of its transaction: run it within together()")
        self.run("SELECT")
        return query.replace("{schema}", self._quoted).encode()

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Give each statement inside so many seconds: for the few that are long by their nature."""
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


def _values(parameters: tuple[object, ...]) -> Sequence[Any] | Mapping[str, Any] | None:
    if len(parameters) == 1 and isinstance(parameters[0], Mapping):
        return {name: _literal(value) for name, value in parameters[0].items()}
    return [_literal(value) for value in parameters] or None


def _literal(value: object) -> object:
    """Return a list of whole numbers as PostgreSQL writes it, which the driver would do number by number.

    A NUL in a text, which PostgreSQL stores nowhere, is shown as replaced: the words of whoever answers may have one,
    and are no reason to end the process that writes them down.

    >>> _literal([1, 2]), _literal(["a"]), _literal(7), _literal(f"no{chr(0)}thing")
    ('{1,2}', ['a'], 7, 'no�thing')
    """
    if type(value) is str and "\0" in value:
        return value.replace("\0", "\ufffd")
    if type(value) is list and set(map(type, value)) == {int}:
        return f"{{{','.join(map(str, value))}}}"
    return value


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
