"""What survives: kill -9, a stop, a pause, a client that goes away in the middle of its request."""

from __future__ import annotations

import signal
import socket
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

from tests.clickhouse_process import PASSWORD, DoorProcess
from tests.faults.clickhouse_phantom import newest_insert

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TABLES = (
    "CREATE TABLE raw (id Int32) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100",
    (
        "CREATE TABLE totals (n UInt64) ENGINE = SummingMergeTree ORDER BY tuple() "
        "SETTINGS non_replicated_deduplication_window = 100"
    ),
    "CREATE MATERIALIZED VIEW totals_mv TO totals AS SELECT count() AS n FROM raw",
)


def make_tables(client: Client) -> None:
    """A raw table and a view that counts it."""
    for statement in TABLES:
        client.command(statement)


def insert(client: Client, token: str) -> None:
    """Three rows under a token."""
    settings = {"insert_deduplication_token": token, "async_insert": 0}
    client.insert("raw", [[1, 2, 3]], column_names=["id"], column_oriented=True, settings=settings)


def counted(client: Client) -> tuple[int, int]:
    """Rows in raw, rows that the view has counted."""
    row = client.query("SELECT (SELECT count() FROM raw), (SELECT sum(n) FROM totals)").result_rows[0]
    return row[0], row[1]


def test_a_kill_keeps_rows_and_tokens(door: DoorProcess) -> None:
    """After SIGKILL what was answered is there, and a token that was used is still known."""
    make_tables(door.client())
    insert(door.client(), "plan-1")
    door.kill()
    door.start()
    insert(door.client(), "plan-1")

    assert counted(door.client()) == (3, 3)


def test_a_kill_before_the_first_table(door: DoorProcess) -> None:
    """An empty server that was killed starts again, as often as need be, with its empty databases."""
    door.client().command("CREATE DATABASE other")
    for _ in range(2):
        door.kill()
        door.start()
    make_tables(door.client())
    insert(door.client(), "plan-1")
    door.kill()
    door.start()

    assert counted(door.client()) == (3, 3)
    assert door.client().command("EXISTS DATABASE other") == 1


def test_a_stop_flushes_buffers_and_a_kill_does_not(door: DoorProcess) -> None:
    """Rows of a Buffer table survive SIGTERM; after SIGKILL they are gone, which is why plans go around it."""
    client = door.client()
    client.command("CREATE TABLE votes (id Int32) ENGINE = MergeTree ORDER BY id")
    client.command(
        "CREATE TABLE votes_buffer AS votes ENGINE = Buffer(default, votes, 1, 100, 100, 10000, 10000, 1e7, 1e7)"
    )
    client.command("INSERT INTO votes_buffer VALUES (1)")
    assert door.stop() == 0
    door.start()
    stopped = door.client().command("SELECT count() FROM votes")
    door.client().command("INSERT INTO votes_buffer VALUES (2)")
    door.kill()
    door.start()

    assert (stopped, door.client().command("SELECT count() FROM votes")) == (1, 1)


def test_a_request_that_breaks_off_changes_nothing(door: DoorProcess) -> None:
    """Two whole rows of a body that promised more are not inserted when the client goes away."""
    client = door.client()
    client.command("CREATE TABLE raw (id Int32) ENGINE = MergeTree ORDER BY id")
    credentials = b64encode(f"default:{PASSWORD}".encode()).decode()
    head = (
        f"POST /?query=INSERT+INTO+raw+FORMAT+JSONEachRow HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n"
    )
    for framing, body in (
        ("Content-Length: 1000\r\n\r\n", '{"id":1}\n{"id":2}\n'),
        ("Transfer-Encoding: chunked\r\n\r\n", '12\r\n{"id":1}\n{"id":2}\n\r\n'),
    ):
        with socket.create_connection(("127.0.0.1", door.port)) as connection:
            connection.sendall((head + framing + body).encode())
            connection.shutdown(socket.SHUT_WR)
            # The door closes in answer, so that everything it would do is done.
            assert connection.recv(1) == b""

    assert client.command("SELECT count() FROM raw") == 0


def test_a_pause_delays_and_loses_nothing(door: DoorProcess) -> None:
    """An insert sent to a server that is stopped by SIGSTOP is answered after SIGCONT, once."""
    make_tables(door.client())
    client = door.client()
    door.signal(signal.SIGSTOP)
    sender = threading.Thread(target=insert, args=(client, "plan-1"))
    sender.start()
    sender.join(0.3)
    waiting = sender.is_alive()
    door.signal(signal.SIGCONT)
    sender.join(30)

    assert waiting
    assert counted(client) == (3, 3)


def test_a_token_can_outlive_its_rows(door: DoorProcess) -> None:
    """After a crash between record and rename the same token gets success and no row: success is no proof."""
    client = door.client()
    make_tables(client)
    client.command("SYSTEM STOP MERGES")
    insert(client, "plan-1")
    raw, totals = newest_insert(client, "default", "raw"), newest_insert(client, "default", "totals")
    door.kill()
    raw.lose_part()
    totals.forget()
    door.start()
    insert(door.client(), "plan-1")

    # The rows are lost for ever, and yet the view has counted them.
    assert counted(door.client()) == (0, 3)


def test_a_lost_view_part_is_healed_by_the_same_token(door: DoorProcess) -> None:
    """When only the view's part and record are gone, the same insert brings back the view and not the rows."""
    client = door.client()
    make_tables(client)
    client.command("SYSTEM STOP MERGES")
    insert(client, "plan-1")
    totals = newest_insert(client, "default", "totals")
    door.kill()
    totals.forget()
    door.start()
    lost = counted(door.client())
    insert(door.client(), "plan-1")

    assert lost == (3, 0)
    assert counted(door.client()) == (3, 3)
