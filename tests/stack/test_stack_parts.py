"""Every real part can be killed, frozen and started again, on the same data and the same port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stack import NotReady, Options, Stack
from stack.family import descendants
from stack.memory import FILE as MEMORY
from tests.awaiting import await_that
from tests.stack.watching import REPOSITORY, lives, provided

if TYPE_CHECKING:
    from collections.abc import Iterator


DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def query(stack: Stack, text: str) -> str:
    """Ask ClickHouse."""
    ends = stack.endpoints
    request = urllib.request.Request(f"http://{ends.clickhouse_host}:{ends.clickhouse_port}/", text.encode())
    request.add_header("X-ClickHouse-User", str(ends.clickhouse_user))
    request.add_header("X-ClickHouse-Key", str(ends.clickhouse_password))
    with DIRECTLY.open(request, timeout=20) as answer:
        return str(answer.read().decode())


def read_first(servers: str, topic: str) -> bytes | None:
    """Read the first message of a topic."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = consumer.consume(1, timeout=20)
        return messages[0].value() if messages else None
    finally:
        consumer.close()


def test_postgres_is_ready_for_debezium(stack: Stack) -> None:
    """Logical WAL, slots to spare, durable, and nobody gets in without the password."""
    with psycopg.connect(stack.postgres.dsn) as connection:
        row = connection.execute(
            "SELECT current_setting('wal_level'), current_setting('max_replication_slots')::int,"
            " current_setting('max_wal_senders')::int, current_setting('fsync')"
        ).fetchone()

    assert row is not None
    assert (row[0], row[3]) == ("logical", "on")
    assert min(row[1], row[2]) >= 10
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stack.postgres.dsn, password="wrong")


def test_postgres_survives_a_kill(stack: Stack) -> None:
    """A committed row is there after SIGKILL, and no backend of the killed server is."""
    with psycopg.connect(stack.postgres.dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    before = [stack.postgres.pid, *descendants(stack.postgres.pid or 0)]

    stack.postgres.kill()
    assert not any(lives(pid) for pid in before if pid)
    stack.postgres.start()
    stack.postgres.await_ready()

    with psycopg.connect(stack.postgres.dsn) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres changes its user")
def test_postgres_does_not_run_as_root(stack: Stack) -> None:
    """Root's server belongs to another user, in a folder of its own."""
    server = Path(f"/proc/{stack.postgres.pid}")

    assert server.stat().st_uid != 0


def test_redis_survives_a_kill(stack: Stack) -> None:
    """What was written more than a second before SIGKILL is there again, and nothing may be evicted."""
    with redis.Redis.from_url(stack.redis.url) as client:
        client.set("kept", "42")
        await_that(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0, "the file is written")

    stack.redis.kill()
    stack.redis.start()
    stack.redis.await_ready()

    with redis.Redis.from_url(stack.redis.url) as client:
        assert client.get("kept") == b"42"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_clickhouse_survives_a_kill(stack: Stack) -> None:
    """An inserted row is there after SIGKILL."""
    query(stack, "CREATE TABLE kept (n Int32) ENGINE = MergeTree ORDER BY n")
    query(stack, "INSERT INTO kept VALUES (42)")

    stack.clickhouse.kill()
    stack.clickhouse.start()
    stack.clickhouse.await_ready()

    assert query(stack, "SELECT n FROM kept") == "42\n"


def test_kafka_survives_a_kill(stack: Stack) -> None:
    """An acknowledged message is there after SIGKILL; a topic that nobody made is not made by asking."""
    servers = stack.kafka.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_topics([NewTopic("kept", 1, 1)]).values():
        future.result(20)
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    producer.produce("kept", b"42")
    assert producer.flush(20) == 0

    stack.kafka.kill()
    stack.kafka.start()
    stack.kafka.await_ready()

    assert read_first(servers, "kept") == b"42"
    assert "misspelt" not in admin.list_topics(timeout=20).topics
    admin.list_topics("misspelt", timeout=20)
    assert "misspelt" not in admin.list_topics(timeout=20).topics


def test_connect_survives_a_kill(stack: Stack) -> None:
    """A killed worker comes back with its plugin and its exactly-once guard; with the guard off it says so too."""
    stack.connect.kill()
    stack.connect.start()
    stack.connect.await_ready()

    with DIRECTLY.open(f"{stack.connect.url}/connector-plugins") as answer:
        plugins = {plugin["class"] for plugin in json.load(answer)}
    assert "io.debezium.connector.postgresql.PostgresConnector" in plugins
    assert "exactly.once.source.support=enabled" in (stack.connect.folder / "worker.properties").read_text()


def test_a_frozen_part_is_silent_and_alive(stack: Stack) -> None:
    """While frozen, a part neither answers nor dies; then it goes on."""
    stack.redis.pause()
    assert stack.redis.is_alive()
    with socket.create_connection(("127.0.0.1", stack.redis.port), 1) as connection:
        connection.settimeout(0.3)
        connection.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(16)

    stack.redis.resume()
    stack.redis.await_ready()


def test_secrets_are_their_owner_s(stack: Stack) -> None:
    """The worker's secrets can be read by no other account, and no password is on a command line."""
    assert stack.connect.secrets_file.stat().st_mode & 0o077 == 0

    secrets = [stack.postgres.password, stack.postgres.replication_password, stack.clickhouse.password]
    for part in stack.parts:
        line = Path(f"/proc/{part.pid}/cmdline").read_text()
        assert not [secret for secret in secrets if secret in line], part.name
    assert not [secret for secret in secrets if secret in repr(stack.endpoints)]


def test_the_watcher_s_variables(stack: Stack) -> None:
    """Each part that there is has its variables."""
    environ = stack.environ()

    assert environ["CRUCIBLE_POSTGRES__DSN"] == stack.postgres.dsn
    assert environ["CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS"] == stack.kafka.bootstrap_servers
    assert "CRUCIBLE_REGISTRY__URL" not in environ


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Stack, Stack]]:
    """Give two small stacks that run at once."""
    with provided():
        first = Stack(tmp_path / "first", ["postgres", "redis"])
        second = Stack(tmp_path / "second", ["postgres", "redis"])
        with first, second:
            yield first, second


def test_two_stacks_at_once(two: tuple[Stack, Stack], tmp_path: Path) -> None:
    """They share no port and no data; closing them leaves no process and no folder."""
    first, second = two
    with redis.Redis.from_url(first.redis.url) as one, redis.Redis.from_url(second.redis.url) as other:
        one.set("mine", 1)
        assert other.get("mine") is None
    pids = [part.pid for one in two for part in one.parts]

    first.close()
    second.close()

    assert not [pid for pid in pids if pid and lives(pid)]
    assert not (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()


OWNER = """
import sys, time
from pathlib import Path
from stack import Stack
stack = Stack(Path(sys.argv[1]), ["postgres", "redis"])
stack.start()
print(stack.postgres.program().folder, *(part.pid for part in stack.parts), flush=True)
time.sleep(600)
"""


def test_nothing_is_left_of_a_killed_owner(tmp_path: Path) -> None:
    """SIGKILL to the owner ends the parts and removes their data, that of another user included."""
    with provided(), Stack(tmp_path / "probe", ["postgres", "redis"]):
        pass
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "stack")], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert owner.stdout
    home, *pids = owner.stdout.readline().split()
    assert all(lives(int(pid)) for pid in pids)

    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    owner.stdout.close()

    await_that(lambda: not any(lives(int(pid)) for pid in pids), "all parts are gone")
    await_that(lambda: not (tmp_path / "stack").exists(), "their data is gone")
    await_that(lambda: not Path(home).exists(), "the other user's folder is gone")


def test_kept_data_is_found_again(tmp_path: Path) -> None:
    """With ``keep`` the same folder gives the same ports, passwords and rows."""
    with provided(), Stack(tmp_path / "kept", ["postgres"], Options(keep=True)) as first:
        dsn = first.postgres.dsn
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    assert (tmp_path / "kept" / MEMORY).stat().st_mode & 0o077 == 0

    second = Stack(tmp_path / "kept", ["postgres"], Options(keep=True))
    with second, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)

    second.discard()
    assert not (tmp_path / "kept").exists()


def test_a_part_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The error carries the last lines of the part's log, at once and not after the whole patience."""
    with provided():
        stack = Stack(tmp_path / "stack", ["redis"])
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", stack.redis.port))
        stranger.listen()

        with pytest.raises(NotReady, match=r"redis ended while it was starting[\s\S]*Address already in use"):
            stack.start()
    assert not (tmp_path / "stack").exists()


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    """The error says what was given and what there is."""
    with pytest.raises(ValueError, match="no part is called mysql; choose from connect, "):
        Stack(tmp_path, ["mysql"])  # type: ignore[list-item]
