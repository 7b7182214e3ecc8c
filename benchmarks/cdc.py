"""Change events per CPU-second of the watcher, as a ratio to reading and decoding alone.

The watcher is the shipped one in its own process, on the production parts: from Kafka to committed ClickHouse rows and
Redis state. CPU seconds are its process's, all threads, from the first assignment on; imports and connecting are not
the steady state that is asked about. The limit reads the same records of the same topic in the same run.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import clickhouse_connect
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console

from benchmarks.envelopes import CRUCIBLES, entries
from benchmarks.results import Result
from stack.endpoints import Endpoints
from stack.topology import Stack
from watcher.stores.schema import ensure

EVENTS = 400_000
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PARTITIONS = 3
PATIENCE = 300.0
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far, user and system, all threads (``/proc/PID/stat``, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_rss_mb(pid: int) -> float:
    """Highest resident memory of a process so far, in MB (``VmHWM`` of ``/proc/PID/status``)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def create_topic(bootstrap: str, *topics: NewTopic) -> None:
    """Create topics and wait until they are there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})  # must outlive its futures
    for future in admin.create_topics([*topics]).values():
        future.result(30)


def fill(bootstrap: str, topic: str, seed: int) -> None:
    """Put ``EVENTS`` envelopes into the topic."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    for key, value in entries(EVENTS, seed):
        producer.produce(topic, value, key)
        producer.poll(0)
    producer.flush()


@contextmanager
def watcher(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The shipped daemon in its own process, from its first assignment on."""
    process = subprocess.Popen(
        [sys.executable, "-m", "watcher", "run"], env={**os.environ, **environ}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "partition.assigned" in line and "CrucibleEntry" in line:
                break
        yield process
    finally:
        process.terminate()
        rest = process.stderr.read()
        if process.wait(60):
            print(rest[-4000:], file=sys.stderr)


def one_round(endpoints: Endpoints, number: int) -> tuple[float, float, float]:
    """CPU seconds of the limit and of the watcher, and the watcher's peak memory in MB."""
    topic = f"bench.{number}.CrucibleEntry"
    bootstrap = str(endpoints.bootstrap_servers)
    create_topic(bootstrap, NewTopic(topic, PARTITIONS))
    fill(bootstrap, topic, number)
    limit = float(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.decode_limit", bootstrap, topic, str(EVENTS), f"limit-{number}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    clickhouse = clickhouse_connect.get_client(
        host=endpoints.clickhouse_host,
        port=endpoints.clickhouse_port,
        username=endpoints.clickhouse_user,
        password=endpoints.clickhouse_password or "",
    )
    state = redis.Redis.from_url(str(endpoints.redis_url))
    rows = EVENTS // 10 * 9 * 2 * (number + 1)
    living = EVENTS // 10 * 7 * (number + 1)
    environ = endpoints.environ() | {
        "CRUCIBLE_KAFKA__TOPICS": f'["{topic}"]',
        "CRUCIBLE_KAFKA__HEARTBEAT_TOPIC": "",
        "CRUCIBLE_KAFKA__GROUP": f"bench-{number}",
        "CRUCIBLE_OPS__PORT": "0",
    }
    with watcher(environ) as process:
        begun = cpu_seconds(process.pid)
        until = time.monotonic() + PATIENCE
        written = 0
        while written < rows and time.monotonic() < until:
            written = int(clickhouse.command("SELECT count() FROM entityMetricEvents"))  # type: ignore[arg-type]
            time.sleep(0.05)
        used, peak = cpu_seconds(process.pid) - begun, peak_rss_mb(process.pid)
    shown = sum(state.hlen(f"crucible:{number}:elo") for number in range(1, CRUCIBLES + 1))
    if (written, shown) != (rows, living):
        raise SystemExit(f"cdc: {written} rows and {shown} entries arrived, expected {rows} and {living}")
    return limit, used, peak


def measure(console: Console) -> list[Result]:
    """Measure; several rounds, of which the median ratio counts."""
    with Stack(parts={"kafka", "redis", "clickhouse", "postgres"}) as stack:
        endpoints = stack.endpoints
        environ = {**os.environ, **endpoints.environ()}
        create_topic(str(endpoints.bootstrap_servers), NewTopic("crucible-watcher.dlq", 1))
        ensure(str(endpoints.postgres_dsn), "crucible_watcher")
        subprocess.run([sys.executable, "-m", "watcher", "migrate", "up"], check=True, env=environ)
        rounds = []
        for number in range(ROUNDS):
            limit, used, peak = one_round(endpoints, number)
            console.print(
                f"cdc round {number}: {limit:.2f} s to decode, {used:.2f} s to watch, {limit / used:.3f}, {peak:.0f} MB"
            )
            rounds.append((limit, used, peak))
    ratio = median(limit / used for limit, used, _ in rounds)
    per_second = median(EVENTS / used for _, used, _ in rounds)
    return [
        Result("cdc_json_vs_decode_limit", round(ratio, 3), "ratio", baseline=1.0, goal=0.35),
        Result("cdc_events_per_cpu_s", round(per_second), "events/CPU-s", baseline=8_300),
        Result("peak_rss_mb", round(max(peak for *_, peak in rounds)), "MB", lower_is_better=True),
    ]
