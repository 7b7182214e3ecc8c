"""Change events per CPU-second of the watcher, as a ratio to reading and decoding alone.

The watcher is the shipped one in its own process, on the production parts: from Kafka to committed ClickHouse rows and
Redis state. It first takes a few changes, so that imports and connections are behind it, and is then held (SIGSTOP)
while the topic is filled; CPU seconds are its process's, all threads, from its release to the last row. The limit reads
the same records of the same topic. The two take turns of a fraction of a second, because these machines drift: their
speed changes by half within seconds, and so it does for both.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import clickhouse_connect
import psycopg
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console

from benchmarks.envelopes import CRUCIBLES, LIVING_OF_TEN, ROWS_OF_TEN, AsAvro, Change, as_json, changes, crucibles
from benchmarks.process import cpu_seconds, peak_rss_mb
from benchmarks.results import Result
from stack.endpoints import Endpoints
from stack.topology import Stack

SITE = Path(__file__).parent.parent / "demo" / "site_schema.sql"
EVENTS = 400_000
WARM_EVENTS = 2_000
ROUNDS = 3
PARTITIONS = 3
TURN_SECONDS = 0.4
"""Seconds that the watcher and the limit work in turn."""
PATIENCE_SECONDS = 300.0
HELD = {
    "CRUCIBLE_KAFKA__SESSION_TIMEOUT": "600",
    "CRUCIBLE_KAFKA__MAX_POLL_INTERVAL": "900",
    "CRUCIBLE_OPS__LOOP_DEADLINE": "900",
    "CRUCIBLE_LOG__LEVEL": "warning",
}
"""The watcher is held for longer than a session; in production that would cost it its partitions."""

Encode = Callable[[Change], bytes]


@dataclass(frozen=True, slots=True)
class Round:
    """One comparison. Seconds are of CPU."""

    limit: float
    watcher: float
    peak_mb: float

    @property
    def ratio(self) -> float:
        """Share of the limit's speed that the watcher reaches."""
        return self.limit / self.watcher


class Bench:
    """The parts, and what has been put through them so far."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.bootstrap = str(endpoints.bootstrap_servers)
        self._done = 0
        self._clickhouse = clickhouse_connect.get_client(
            host=endpoints.clickhouse_host,
            port=endpoints.clickhouse_port,
            username=endpoints.clickhouse_user,
            password=endpoints.clickhouse_password or "",
        )
        self._redis = redis.Redis.from_url(str(endpoints.redis_url))
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap})

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic and wait until it is there."""
        for future in self._admin.create_topics([NewTopic(topic, partitions)]).values():
            future.result(30)

    def fill(self, topic: str, count: int, encode: Encode) -> None:
        """Put the next ``count`` changes of entries into the topic."""
        self._produce(topic, changes(count, self._done), encode)
        self._done += count

    def open_crucibles(self) -> None:
        """Have the watcher show the crucibles; entries of others are not shown."""
        topic = "bench.Crucible"
        self.create_topic(topic, 1)
        self._produce(topic, crucibles(), as_json)
        with watcher(self.environ(topic, "crucibles")):
            self.await_all()

    def environ(self, topic: str, group: str) -> dict[str, str]:
        """Settings of a watcher that reads one topic."""
        environ = self.endpoints.environ() | HELD
        return environ | {"CRUCIBLE_KAFKA__TOPICS": topic, "CRUCIBLE_KAFKA__GROUP": group, "CRUCIBLE_OPS__PORT": "0"}

    def _produce(self, topic: str, some: Iterator[Change], encode: Encode) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 50})
        for change in some:
            while True:
                try:
                    producer.produce(topic, encode(change), b'{"id":%d}' % (change["after"] or change["before"])["id"])
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()

    def await_all(self, meanwhile: Callable[[], None] = lambda: time.sleep(0.05)) -> None:
        """Wait until every change is in ClickHouse and in Redis.

        Raises:
            SystemExit: they are not there in time, or more arrived than were sent.
        """
        rows, until = CRUCIBLES + self._done // 10 * ROWS_OF_TEN, time.monotonic() + PATIENCE_SECONDS
        written = shown = 0
        while time.monotonic() < until:
            written = int(self._clickhouse.command("SELECT count() FROM entityMetricEvents"))  # type: ignore[arg-type]
            if written >= rows:
                break
            meanwhile()
        numbers = range(1, CRUCIBLES + 1)
        shown = sum(self._redis.hlen(f"crucible:{number}:elo") for number in numbers)
        opened = sum(self._redis.exists(f"{{crucible:{number}:elo}}:state") for number in numbers)
        living = self._done // 10 * LIVING_OF_TEN
        if (written, shown, opened) != (rows, living, CRUCIBLES):
            raise SystemExit(
                f"cdc: {written} rows, {shown} entries and {opened} crucibles arrived, "
                f"expected {rows}, {living} and {CRUCIBLES}"
            )

    def round(self, name: str, encode: Encode) -> Round:
        """Compare once, on a topic of its own."""
        topic = f"bench.{name}.CrucibleEntry"
        self.create_topic(topic, PARTITIONS)
        self.fill(topic, WARM_EVENTS, encode)
        with watcher(self.environ(topic, name)) as process:
            self.await_all()
            process.send_signal(signal.SIGSTOP)
            self.fill(topic, EVENTS, encode)
            begun = cpu_seconds(process.pid)
            with self.limit(topic) as limit:
                self.await_all(lambda: take_turns(limit, process))
                limit.terminate()
                limit.send_signal(signal.SIGCONT)
                cost = float(limit.communicate()[0])
            used, peak = cpu_seconds(process.pid) - begun, peak_rss_mb(process.pid)
        return Round(cost * EVENTS, used, peak)

    @contextmanager
    def limit(self, topic: str) -> Iterator[subprocess.Popen[str]]:
        """Give the limit at work: told to end, it says what a record costs."""
        command = [sys.executable, "-m", "benchmarks.decode_limit", self.bootstrap, topic, str(PARTITIONS)]
        command += [str(WARM_EVENTS + EVENTS), str(self.endpoints.registry_url)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()


def take_turns(limit: subprocess.Popen[str], process: subprocess.Popen[bytes]) -> None:
    """One turn of the limit, one of the watcher; both are held otherwise."""
    for one in (limit, process):
        one.send_signal(signal.SIGCONT)
        time.sleep(TURN_SECONDS)
        one.send_signal(signal.SIGSTOP)


@contextmanager
def watcher(environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Give the shipped daemon in its own process."""
    process = subprocess.Popen([sys.executable, "-m", "watcher", "run"], env={**os.environ, **environ})
    try:
        yield process
    finally:
        process.terminate()
        process.send_signal(signal.SIGCONT)
        process.wait(60)


def measure(console: Console) -> list[Result]:
    """Measure; several rounds, of which the median ratio counts."""
    with Stack(parts={"kafka", "redis", "clickhouse", "postgres", "registry"}) as stack:
        bench = Bench(stack.endpoints)
        with psycopg.connect(str(stack.endpoints.postgres_dsn), autocommit=True) as site:
            site.execute(SITE.read_bytes())  # without entries: the changes are made up
            # What PostgreSQL does not have leaves Redis; one that is finished is not compared.
            site.execute("""INSERT INTO "User" (username) VALUES ('nobody')""")
            site.execute(
                """INSERT INTO "Crucible" (id, "userId", name, status, "updatedAt")
                   SELECT n, 1, 'made up', 'Completed', now() FROM generate_series(1, %s) n""",
                [CRUCIBLES],
            )
        bench.create_topic("crucible-watcher.dlq", 1)
        environ = {**os.environ, **stack.endpoints.environ()}
        subprocess.run([sys.executable, "-m", "watcher", "migrate", "up"], check=True, env=environ)
        bench.open_crucibles()
        found: dict[str, list[Round]] = {"json": [], "avro": []}
        for number in range(ROUNDS):
            for kind, encode in (("json", as_json), ("avro", AsAvro(str(stack.endpoints.registry_url)))):
                one = bench.round(f"{kind}-{number}", encode)
                found[kind].append(one)
                console.print(
                    f"cdc {kind} round {number}: {one.limit:.2f} CPU-s to decode, {one.watcher:.2f} to watch, "
                    f"ratio {one.ratio:.3f}, peak {one.peak_mb:.0f} MB"
                )
    json, avro = found["json"], found["avro"]
    return [
        Result("cdc_json_vs_decode_limit", round(median(one.ratio for one in json), 3), "ratio", 1.0, 0.35),
        Result("cdc_avro_vs_decode_limit", round(median(one.ratio for one in avro), 3), "ratio", 1.0),
        Result("cdc_events_per_cpu_s", round(median(EVENTS / one.watcher for one in json)), "events/CPU-s", 8_300),
        Result("peak_rss_mb", round(max(one.peak_mb for one in json + avro)), "MB", lower_is_better=True),
    ]
