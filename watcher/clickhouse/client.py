"""Makes clients of the ClickHouse server: the one place that decides how it is talked to."""

import logging
import os
import re
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from clickhouse_connect.driver.httputil import check_env_proxy

from watcher.model.errors import RefusedError, TemporaryError
from watcher.runtime.connection_faults import connection_fault

__all__ = ["Client", "connect", "fault", "reason"]

_MISSING: Final = frozenset({16, 47, 60})
"""Error codes that mean that a table or a column is not there."""
_QUOTA: Final = 201
_CODE: Final = re.compile(r"\bcode: (\d+)", re.IGNORECASE)
REFUSALS: Final = frozenset({81, 164, 192, 193, 194, 291, 497, 516})
"""Error codes of ClickHouse that mean no: of an unknown database, of what may only be read, of users, passwords and
rights (``SELECT * FROM system.errors`` has their names)."""

# What the driver warns of comes as an exception as well, which says of whom: it has no place in our log, nor between a
# verb's answers, where Python would print what nobody handles.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
logging.getLogger("clickhouse_connect").propagate = False


def connect(
    *, host: str, port: int, username: str, password: str, database: str, secure: bool, timeout: float
) -> Client:
    """Return a client without a session, so that several may ask at once.

    Args:
        host: of the HTTP interface.
        port: of the HTTP interface.
        username: who asks.
        password: of the user.
        database: where tables are looked up.
        secure: HTTPS.
        timeout: seconds until a request without an answer fails.

    Raises:
        RefusedError: it does not let us in.
        TemporaryError: the server does not answer, or a variable names a proxy that cannot be used.
        clickhouse_connect.driver.exceptions.Error: it refuses.
    """
    scheme = "https" if secure else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    proxy = check_env_proxy(scheme, host, port) or ""
    through = f" through the proxy that {scheme.upper()}_PROXY names" if proxy else ""
    if "://" in proxy and not proxy.lower().startswith(("http://", "https://")):
        raise TemporaryError(
            f"clickhouse at {host}:{port}: {scheme.upper()}_PROXY names a proxy with {proxy.partition('://')[0]}://, "
            f"and its driver speaks with those of http:// alone; name one, or {host} in NO_PROXY"
        )
    try:
        return clickhouse_connect.get_client(
            host=host,
            port=port,
            username=username,
            password=password,
            database=database,
            secure=secure,
            send_receive_timeout=int(timeout) or 1,
            connect_timeout=int(timeout) or 1,
            autogenerate_session_id=False,
            query_limit=0,
            compress=False,  # loopback or one data centre: the CPU is dearer than the bytes
        )
    except OperationalError as error:
        if isinstance(refused := fault(error), RefusedError):
            raise refused from error
        raise TemporaryError(
            f"clickhouse at {host}:{port} does not answer{through}: {reason(error, proxy or address)}; "
            "is it up, and are clickhouse.host and clickhouse.port right?"
        ) from error


def fault(error: BaseException, url: str = "") -> TemporaryError:
    """Return a driver's error as one of ours; what is there and says no is told from what is away.

    Args:
        error: the driver's.
        url: the server's address, if it is known.

    >>> type(fault(ValueError("Received ClickHouse exception, code: 516, ..."))).__name__
    'RefusedError'
    >>> type(fault(ValueError("Code: 241. Memory limit exceeded"))).__name__
    'TemporaryError'
    >>> str(fault(ValueError("Code: 60. Unknown table."))).partition("; ")[2].partition("; ")[0]
    '`crucible doctor` says what is not there'
    >>> str(fault(ValueError("Code: 201. Quota exceeded."))).partition("; ")[2]
    'raise the quota of clickhouse.username, or wait until its interval is over'
    """
    said = f"clickhouse: {reason(error, url)}"
    found = _CODE.search(str(error))
    code = int(found[1]) if found is not None else 0
    advice = ""
    if code in REFUSALS:
        advice = "check clickhouse.username, clickhouse.password and clickhouse.database, and rights"
    elif code in _MISSING:
        advice = "`crucible doctor` says what is not there; `crucible migrate up --missing` makes anew what was dropped"
    elif code == _QUOTA:
        advice = "raise the quota of clickhouse.username, or wait until its interval is over"
    return RefusedError(f"{said}; {advice}") if advice else TemporaryError(said)


def reason(error: BaseException, url: str = "") -> str:
    """Return what a driver's error comes down to, in one line; where nobody answered, why there is no connection.

    Args:
        error: the driver's; it wraps those of what lies below several times over.
        url: the server's address, if it is known.

    >>> reason(ValueError("Code: 60. Unknown table."))
    'ValueError: Code: 60. Unknown table.'
    >>> reason(TimeoutError("timed out"))
    'no answer in time'
    """
    address = urlsplit(url)
    at: BaseException | None = error
    while at is not None:
        # Of names and of TLS the numbers are not the operating system's: -2 and 1 would mean something else there.
        if isinstance(at, ssl.SSLError | socket.gaierror):
            return connection_fault(at, address.hostname or "the server", address.port or 0) or str(at)
        if isinstance(at, OSError) and at.errno is not None:
            return os.strerror(at.errno)
        if isinstance(at, TimeoutError):
            return "no answer in time"
        at = at.__cause__ or at.__context__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"
