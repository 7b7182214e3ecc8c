"""Makes clients of the ClickHouse server: the one place that knows how we want to talk to it."""

import logging

import clickhouse_connect
from clickhouse_connect.driver.client import Client

__all__ = ["Client", "connect"]

# What the driver warns of comes as an exception as well. Without a log, Python would print it between a verb's answers.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


def connect(
    *, host: str, port: int, username: str, password: str, database: str, secure: bool, timeout: float
) -> Client:
    """A client without a session, so that several may ask at once.

    Args:
        host: of the HTTP interface.
        port: of the HTTP interface.
        username: who asks.
        password: of the user.
        database: where tables are looked up.
        secure: HTTPS.
        timeout: seconds until a request without an answer fails.

    Raises:
        clickhouse_connect.driver.exceptions.Error: the server does not answer or refuses.
    """
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
