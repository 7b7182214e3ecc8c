"""What goes wrong with PostgreSQL, as errors of ours that say what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from watcher.model.errors import TemporaryError, UnfitError

# libpq gives a refused connection no code, only the server's words. In another language than English they read as an
# outage, and the message is as clear. Poolers (PgBouncer, RDS Proxy, Supavisor) have words of their own, in English.
_WRONG_ADDRESS: Final = re.compile(
    r'authentication failed|no password supplied|(?:role|database) "[^"]*" does not exist|no such (?:user|database)'
    r"|no pg_hba\.conf entry|pg_hba\.conf rejects|is not permitted to log in|permission denied for database"
    r"|Tenant or user not found"
)
_POOLER_REFUSES_OPTIONS: Final = re.compile(r"unsupported startup parameter|support command-line options")
_WANTS_TLS: Final = re.compile(r"FATAL: +SSL required")
_POOLER_REFUSES_TRANSACTIONS: Final = re.compile(r"not allowed in statement pooling mode")


READ_ONLY: Final = (
    "let postgres.dsn lead to the primary (target_session_attrs=read-write); if it does, default_transaction_read_only "
    "is on: ALTER ROLE or ALTER DATABASE ... RESET default_transaction_read_only"
)
"""What to do about a server that takes no writes."""
ONE_TRANSACTION: Final = "let pool_mode be transaction or session: what belongs together is one transaction"
"""What to do about a pooler that takes transactions apart."""
_HINTS: Final = (
    (
        re.compile(r"invalid response to SSL negotiation"),
        "what answers there is no PostgreSQL; check host and port of the connection string",
    ),
    (
        re.compile(r"certificate verify failed|root certificate file"),
        "name the file of the authority that signs in sslrootcert of the connection string, or sslrootcert=system",
    ),
    (re.compile(r"does not support SSL"), "sslmode of the connection string asks for TLS"),
    (re.compile(r"server closed the connection unexpectedly"), "if it never answers: does a proxy there want TLS?"),
)
"""What is said besides where libpq's words do not tell why a connection was not made."""
_NO_SQL: Final = psycopg.errors.SyntaxError
_REFUSALS: Final = (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.DataError)
"""What a server says that is there and does not do what is asked: of rights, tables, columns and their types, and of
triggers that say no."""


class PostgresRefusedError(UnfitError):
    """Raised when PostgreSQL, or the pooler before it, is there and refuses what the watcher needs."""


class SplitTransactionsError(PostgresRefusedError):
    """Raised when a pooler takes transactions apart (``pool_mode = statement``): what belongs together would not be."""


class StatementTimeoutError(TemporaryError):
    """Raised when the server gave up on a statement, because its time was over or somebody had it end."""


class ViolationError(UnfitError):
    """Raised when values break a rule that the database holds, or do not fit its types; nothing was done with them.

    Args:
        constraint: the rule's name.
        said: what the database says.
    """

    def __init__(self, constraint: str, said: str) -> None:
        super().__init__(said)
        self.constraint = constraint


@contextmanager
def faults_named(schema: str) -> Iterator[None]:
    """Turn every error of the driver inside the block into one of ours.

    Args:
        schema: the watcher's own, which tells a missing table of ours from one of the site.

    Raises:
        PostgresRefusedError: a password, database, table, column or right is wrong or missing, or the site's own
            triggers say no; it helps to mend that, waiting alone does not.
        SplitTransactionsError: a pooler takes transactions apart.
        TemporaryError: PostgreSQL is away, or may only be read for now.
        StatementTimeoutError: the server gave up on a statement.
        ViolationError: values break a rule of the database, or do not fit its types.
    """
    try:
        yield
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        if error.sqlstate is None:  # the driver's own words: we called it wrongly
            raise
        raise ViolationError(error.diag.constraint_name or "", said(error)) from error
    except psycopg.errors.QueryCanceled as error:
        raise StatementTimeoutError(f"postgres is away: {said(error)}") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if refusal := refused_connection(error):
            is_split = _POOLER_REFUSES_TRANSACTIONS.search(str(error)) is not None
            raise (SplitTransactionsError if is_split else PostgresRefusedError)(f"postgres: {refusal}") from error
        raise TemporaryError(f"postgres is away: {explained(error)}") from error
    except _REFUSALS as error:
        if not refuses(error):
            raise
        raise PostgresRefusedError(f"postgres: {said(error)}; {_what_to_mend(error, schema)}") from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise TemporaryError(f"postgres cannot do that for now: {said(error)}; {READ_ONLY}") from error
    except psycopg.InternalError as error:
        # What the server or the session cannot do, not what was asked: a standby or a full disk made it read-only, a
        # transaction was ended because it stood idle.
        raise TemporaryError(f"postgres cannot do that for now: {said(error)}") from error


def refuses(error: psycopg.Error) -> bool:
    """Return whether it is the server that says no; not where we called the driver wrongly, or wrote what is no SQL.

    >>> refuses(psycopg.errors.UndefinedFunction("operator does not exist: text = integer"))
    True
    >>> refuses(psycopg.ProgrammingError("the query has 1 placeholder but 2 parameters were passed"))
    False
    """
    return isinstance(error, _REFUSALS) and error.sqlstate is not None and not isinstance(error, _NO_SQL)


def refused_connection(error: psycopg.Error) -> str:
    """Return the server's words and what to do, where a connection was refused for good; empty where it is away.

    >>> refused_connection(psycopg.OperationalError('FATAL:  password authentication failed for user "a"'))
    'FATAL:  password authentication failed for user "a"; check postgres.dsn'
    >>> refused_connection(psycopg.OperationalError("FATAL:  SSL required")).partition("; ")[2]
    'add sslmode=require, or one that is stricter, to the connection string'
    >>> refused_connection(psycopg.OperationalError("connection refused"))
    ''
    """
    advice = _advice(str(error))
    return advice and f"{said(error)}; {advice}"


def said(error: psycopg.Error) -> str:
    """Return what the server or the driver said, in one line."""
    return error.diag.message_primary or str(error).strip().partition("\n")[0]


def explained(error: psycopg.Error) -> str:
    """Return what the server or the driver said; of a connection that was not made also what its words leave open."""
    words = str(error)
    return next((f"{said(error)}; {hint}" for pattern, hint in _HINTS if pattern.search(words)), said(error))


def _what_to_mend(error: psycopg.Error, schema: str) -> str:
    match error:
        case psycopg.errors.InsufficientPrivilege() | psycopg.errors.InvalidSchemaName():
            return (
                "run debezium/postgres/watcher.sql as an administrator, which makes the schema "
                f"{schema} (postgres.watcher_schema) and gives the watcher's role what it needs"
            )
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn() if f'"{schema}.' in said(error):
            return "see `crucible migrate status`, which tells a table that is yet to come from one that was dropped"
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
            return (
                "let postgres.dsn name the site's database, and run debezium/postgres/watcher.sql there "
                "as an administrator, which lets the watcher's role read the site's tables"
            )
        case _:
            return "see what was changed in the tables that it is about"


def _advice(words: str) -> str:
    """Return what to do about a connection that was refused for good; empty where trying again may help."""
    if _WRONG_ADDRESS.search(words):
        return "check postgres.dsn"
    if _POOLER_REFUSES_OPTIONS.search(words):
        return (
            "the pooler takes no such options: drop them from postgres.dsn and from PGOPTIONS, or add them to "
            "ignore_startup_parameters"
        )
    if _WANTS_TLS.search(words):
        return "add sslmode=require, or one that is stricter, to the connection string"
    if _POOLER_REFUSES_TRANSACTIONS.search(words):
        return ONE_TRANSACTION
    return ""
