"""The production topology on one machine. The demo, the tests and the benchmarks all run this one."""

from __future__ import annotations

import secrets
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from stack.buzz import Buzz
from stack.clickhouse import ClickHouse
from stack.connect import Connect
from stack.endpoints import Endpoints
from stack.guard import Guard
from stack.kafka import Kafka
from stack.memory import Memory
from stack.notifications import Notifications
from stack.ports import Ports
from stack.postgres import REPLICATION_USER, Postgres
from stack.redis import Redis
from stack.registry import Registry
from stack.rehearsal import rehearse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from concurrent.futures import Future

    from stack.part import Part
    from stack.postgres import Version
    from stack.redis import Fsync

PartName = Literal["postgres", "kafka", "connect", "registry", "redis", "clickhouse", "buzz", "notifications"]
EVERYTHING: tuple[PartName, ...] = ("postgres", "kafka", "connect", "redis", "clickhouse")
"""What the JSON profile needs; the Avro profile adds the registry."""
# Stopped in this order: who reads before who is read, so that nobody spends its farewell on retries.
LEAVING: tuple[PartName, ...] = (
    "connect", "registry", "clickhouse", "redis", "postgres", "kafka", "buzz", "notifications",
)  # fmt: skip
DATABASE = "crucible"
# Seconds for one part to answer. The slowest needs 5 s on an idle machine with two cores.
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """How the parts are run. The defaults are what production is told to use."""

    exactly_once_source: bool = True
    """Kafka Connect's transactions around source records; off, a killed worker repeats records."""
    postgres_version: Version = 18
    fsync: bool = True
    """Off, Postgres is faster and a power cut may cost its data; SIGKILL costs nothing either way."""
    redis_appendfsync: Fsync = "everysec"
    auto_create_topics: bool = False
    keep: bool = False
    """Leave the data when the stack is closed, or its owner killed."""


class Stack:
    """Parts on free ports with data in one folder, as a context manager.

    Entering starts all parts and waits for them; leaving stops them and removes their data. If the owner is killed,
    the parts are killed and their data is removed too, unless ``keep``.
    """

    def __init__(
        self,
        folder: Path | None = None,
        parts: Collection[PartName] = EVERYTHING,
        options: Options | None = None,
    ) -> None:
        self.options = options or Options()
        self._chosen = frozenset(parts)
        unknown = self._chosen - set(LEAVING)
        if unknown:
            raise ValueError(f"no part is called {', '.join(sorted(unknown))}; choose from {', '.join(LEAVING)}")
        if "connect" in self._chosen and "kafka" not in self._chosen:
            raise ValueError("connect needs kafka; add it to the parts")
        unnamed = Path(tempfile.gettempdir()) / f"crucible-stack-{secrets.token_hex(6)}"
        self.folder = (folder or unnamed).absolute()
        self._ports = Ports()
        self._memory = Memory(self.folder)
        self._parts: dict[str, Part] = {}
        self._guard: Guard | None = None
        self._build()

    def _build(self) -> None:
        make: Mapping[PartName, Callable[[], Part]] = {
            "postgres": lambda: self.postgres,
            "kafka": lambda: self.kafka,
            "connect": lambda: self.connect,
            "registry": lambda: self.registry,
            "redis": lambda: self.redis,
            "clickhouse": lambda: self.clickhouse,
            "buzz": lambda: self.buzz,
            "notifications": lambda: self.notifications,
        }
        for name in LEAVING:
            if name in self._chosen:
                self._parts[name] = make[name]()

    @cached_property
    def postgres(self) -> Postgres:
        """Return the PostgreSQL server; it runs only if it was chosen."""
        return Postgres(
            self.folder / "postgres",
            port=self._port("postgres"),
            password=self._memory.password("postgres"),
            replication_password=self._memory.password("replication"),
            database=DATABASE,
            version=self.options.postgres_version,
            fsync=self.options.fsync,
        )

    @cached_property
    def kafka(self) -> Kafka:
        """Return the Kafka broker; it runs only if it was chosen."""
        return Kafka(
            self.folder / "kafka",
            port=self._port("kafka"),
            controller_port=self._port("controller"),
            auto_create_topics=self.options.auto_create_topics,
        )

    @cached_property
    def connect(self) -> Connect:
        """Return the Kafka Connect worker; it runs only if it was chosen."""
        return Connect(
            self.folder / "connect",
            port=self._port("connect"),
            bootstrap_servers=self.kafka.bootstrap_servers,
            exactly_once=self.options.exactly_once_source,
            avro="registry" in self._chosen,
            secrets=self._connect_secrets(),
        )

    @cached_property
    def registry(self) -> Registry:
        """Return the schema registry; it runs only if it was chosen."""
        return Registry(self.folder / "registry", port=self._port("registry"), management_port=self._port("management"))

    @cached_property
    def redis(self) -> Redis:
        """Return the Redis server; it runs only if it was chosen."""
        return Redis(self.folder / "redis", port=self._port("redis"), appendfsync=self.options.redis_appendfsync)

    @cached_property
    def buzz(self) -> Buzz:
        """Return the Buzz service's double."""
        return Buzz(self.folder / "buzz", port=self._port("buzz"))

    @cached_property
    def notifications(self) -> Notifications:
        """Return the notification service's double; it runs only if it was chosen."""
        return Notifications(self.folder / "notifications", port=self._port("notifications"))

    @cached_property
    def clickhouse(self) -> ClickHouse:
        """Return ClickHouse's engine behind its HTTP interface; it runs only if it was chosen."""
        return ClickHouse(
            self.folder / "clickhouse", port=self._port("clickhouse"), password=self._memory.password("clickhouse")
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the chosen parts, in the order in which they are left: who uses another comes before it."""
        return tuple(self._parts.values())

    def __getitem__(self, name: str) -> Part:
        """Return a part by name."""
        return self._parts[name]

    @property
    def endpoints(self) -> Endpoints:
        """Return where the parts are; known before they are started."""
        has = self._chosen.__contains__
        values: dict[str, str | int] = {}
        if has("postgres"):
            values |= {"postgres_host": "127.0.0.1", "postgres_port": self.postgres.port}
            values |= {"postgres_user": self.postgres.user, "postgres_password": self.postgres.password}
            values |= {"postgres_database": self.postgres.database}
        if has("kafka"):
            values |= {"bootstrap_servers": self.kafka.bootstrap_servers}
        if has("connect"):
            values |= {"connect_url": self.connect.url, "connect_secrets_file": str(self.connect.secrets_file)}
        if has("registry"):
            values |= {"registry_url": self.registry.url}
        if has("redis"):
            values |= {"redis_url": self.redis.url}
        if has("clickhouse"):
            values |= {"clickhouse_host": "127.0.0.1", "clickhouse_port": self.clickhouse.port}
            values |= {"clickhouse_user": self.clickhouse.user, "clickhouse_password": self.clickhouse.password}
            values |= {"clickhouse_database": "default"}
        return Endpoints(**values)  # type: ignore[arg-type]

    def environ(self) -> dict[str, str]:
        """Return the ``CRUCIBLE_*`` variables that point the watcher at this stack."""
        return self.endpoints.environ()

    def fetch(self) -> None:
        """Bring what the parts need into the cache, one after the other; with a full cache, do nothing.

        Raises:
            Unavailable: the first part that cannot be had.

        """
        for part in self.parts:
            part.fetch()
        if "connect" in self._chosen:
            rehearse()

    def start(self, told: Callable[[str, float], None] | None = None) -> None:
        """Start all parts at once and wait for each; on a failure stop those that run and raise the first error.

        ``told`` is called with each part's name and its seconds, from several threads, as it becomes ready.
        """
        self.fetch()
        if not self.options.keep:
            folders = [folder for part in self.parts for folder in part.belongings()]
            self._guard = Guard([*folders, *(() if self.folder.exists() else (self.folder,))])
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.options.keep:
            self._memory.write()
        pool = ThreadPoolExecutor(len(self._parts))
        coming = [pool.submit(_bring_up, part, told) for part in self.parts]
        try:
            for done in as_completed(coming):
                done.result()
        except BaseException:
            self._call_off(coming)
            self.close()
            raise
        finally:
            pool.shutdown()

    def _call_off(self, coming: Collection[Future[None]]) -> None:
        """End what is starting, until no thread starts anything any more.

        A part that came up after its data was removed would leave folders that nobody knows of.
        """
        for result in coming:
            result.cancel()
        while wait(coming, LOOK_SECONDS).not_done:
            for part in self.parts:
                part.abandon()

    def close(self) -> None:
        """Stop all parts; remove their data unless it is kept; give the ports back."""
        for part in self.parts:
            if self.options.keep:
                part.stop()
            else:
                part.abandon()
        if self.options.keep:
            self._ports.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Remove all data, kept or not; the parts must have ended. A folder that holds something else stays."""
        self._ports.close()
        for part in self.parts:
            part.erase()
        self._memory.forget()
        if self._guard:
            self._guard.release()
        with suppress(OSError):
            self.folder.rmdir()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _port(self, name: str) -> int:
        port = self._ports.take(self._memory.port(name))
        self._memory.note_port(name, port)
        return port

    def _connect_secrets(self) -> dict[str, str]:
        """Name what connector files need to reach Postgres and the registry from inside the worker."""
        values: dict[str, str] = {}
        if "postgres" in self._chosen:
            values |= {
                "CRUCIBLE_DEBEZIUM_HOST": "127.0.0.1",
                "CRUCIBLE_DEBEZIUM_PORT": str(self.postgres.port),
                "CRUCIBLE_DEBEZIUM_USER": REPLICATION_USER,
                "CRUCIBLE_DEBEZIUM_PASSWORD": self.postgres.replication_password,
                "CRUCIBLE_DEBEZIUM_DATABASE": self.postgres.database,
            }
        if "registry" in self._chosen:
            values |= {"CRUCIBLE_DEBEZIUM_REGISTRY_URL": self.registry.core_url}
        return values


def _bring_up(part: Part, told: Callable[[str, float], None] | None) -> None:
    began = time.monotonic()
    part.start()
    part.await_ready(PATIENCE_SECONDS)
    if told:
        told(part.name, time.monotonic() - began)
