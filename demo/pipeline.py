"""The whole way from Postgres to ClickHouse and Redis, ready for rows, on this machine's stack.

Does what an operator does in production, in that order, with the same files and commands.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from demo import site
from demo.program import PROJECT, OwnProgram, ProgramError
from stack.endpoints import Endpoints
from stack.ports import Ports
from stack.probe import http_status
from stack.topology import Stack

CONNECTOR = PROJECT / "debezium" / "connector.json"
SLOT = "crucible"
WATCHER_ROLE, SETTLE_ROLE = "crucible_watcher", "crucible_settle"
"""Database roles of the watcher, and of what moves money."""
DSN = "CRUCIBLE_POSTGRES__DSN"
PATIENCE_SECONDS = 90.0
"""Seconds for one step; the slowest, the connector's first start, takes about five."""
LOOK_SECONDS = 0.1
SHUTDOWN_SECONDS = 40.0
"""Seconds that the watcher has for what is under way; above its own deadline of 25."""

Told = Callable[[str], None]


class Pipeline:
    """A running stack, prepared, with Debezium streaming and the watcher following.

    Args:
        stack: entered by the caller, whose parts are up.
        folder: for logs.
        told: called with a line for each step.
        environ: more variables for the watcher.
        connector: the connector file to apply.
        role: of the watcher.
        overlay: settings of the connector in the place of the file's.
    """

    program: ClassVar[type[OwnProgram]] = OwnProgram
    """What the watcher, the commands and the site's users are started as."""

    def __init__(
        self,
        stack: Stack,
        folder: Path,
        told: Told,
        environ: Mapping[str, str] | None = None,
        connector: Path = CONNECTOR,
        *,
        role: str = "watch",
        overlay: Mapping[str, str] | None = None,
    ) -> None:
        self.stack = stack
        self._folder = folder
        self._told = told
        self._connector = "--file", str(connector), *_set(overlay or {})
        self._ports = Ports()
        self.ops_port = self._ports.take()
        self.environ = {
            **stack.environ(),
            "CRUCIBLE_OPS__HOST": "127.0.0.1",
            "CRUCIBLE_OPS__PORT": str(self.ops_port),
            **(environ or {}),
        }
        self._password = secrets.token_urlsafe(24)
        as_watcher = {**self.environ, DSN: self.role_dsn(WATCHER_ROLE)}
        self.watcher = self.program("watcher", ("-m", "watcher", "run", "--role", role), folder, as_watcher)

    @property
    def endpoints(self) -> Endpoints:
        """Return where the parts are."""
        return self.stack.endpoints

    @property
    def ops_url(self) -> str:
        """Base address of the watcher's probes and metrics."""
        return f"http://127.0.0.1:{self.ops_port}"

    def __enter__(self) -> Self:
        try:
            self.prepare_site()
            self.migrate()
            self.apply_connector()  # after it: Debezium reads the watcher's own tables too
            self.start_watcher()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill the watcher if it still runs; ``watcher.stop`` first for a clean end."""
        self.watcher.kill()
        self._ports.close()

    def prepare_site(self) -> None:
        """Create the site's tables and run the preparation that a site's administrator runs."""
        with self.connect() as connection:
            site.prepare(connection)
            for role in (WATCHER_ROLE, SETTLE_ROLE):
                connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), self._password))
        self._told("the site's tables are there, with publication, replica identity and roles")

    def migrate(self) -> None:
        """Create both stores' tables, and publish the watcher's own ones among them."""
        self.crucible("migrate", "up", environ={DSN: self.role_dsn(WATCHER_ROLE)})
        with self.connect() as connection:
            site.publish(connection)
        self._told("ClickHouse has its tables and views")

    def apply_connector(self) -> None:
        """Start Debezium, and wait until it streams: from then on every change arrives as what it is."""
        self.crucible("connector", "apply", *self._connector)
        streaming = "SELECT active FROM pg_replication_slots WHERE slot_name = %s AND active"
        with self.connect() as connection:
            connection.autocommit = True
            self._await("Debezium to stream", lambda: bool(connection.execute(streaming, (SLOT,)).fetchone()))
        self._told("Debezium streams")

    def start_watcher(self) -> None:
        """Start the watcher and wait until it is ready."""
        self.watcher.start()
        await_ready(self.watcher, self.ops_port)
        self._told("the watcher follows")

    def crucible(self, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        """Run a verb of the ``crucible`` command to its end, perhaps with other variables than the watcher's."""
        surroundings = {**self.environ, **(environ or {})}
        self.program(f"crucible-{arguments[0]}", ("-m", "watcher", *arguments), self._folder, surroundings).run(
            PATIENCE_SECONDS
        )

    def command(self, *arguments: str) -> OwnProgram:
        """Return a verb of the ``crucible`` command as a program, not started yet, with the watcher's settings."""
        surroundings = {**self.environ, DSN: self.role_dsn(WATCHER_ROLE)}
        return self.program(
            f"crucible {' '.join(arguments)}", ("-m", "watcher", *arguments), self._folder, surroundings
        )

    def role_dsn(self, role: str) -> str:
        """Connect to the site's database as one of the roles that were prepared, by this string."""
        return make_conninfo(self.endpoints.postgres_dsn or "", user=role, password=self._password)

    def connect(self) -> psycopg.Connection[Any]:
        """Connect to the site's database as its owner."""
        return psycopg.connect(self.endpoints.postgres_dsn or "")

    def simulator(self, arguments: Sequence[str]) -> OwnProgram:
        """Return the site's users as a program, not started yet."""
        return self.program("simulator", ("-m", "demo.simulator", *arguments), self._folder, self.environ)

    def _await(self, what: str, came: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not came():
            if time.monotonic() > until:
                raise ProgramError(f"waited {PATIENCE_SECONDS:g} s for {what}, in vain. {self.watcher.last_words()}")
            time.sleep(LOOK_SECONDS)


def await_ready(program: OwnProgram, port: int) -> None:
    """Return once a role of the watcher's says that it is ready.

    Raises:
        ProgramError: it ended, or was not ready in time.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while http_status(port, "/readyz", patience=2.0) != HTTPStatus.OK:
        if not program.is_alive():
            raise ProgramError(f"the {program.name} ended while it was starting. {program.last_words()}")
        if time.monotonic() > until:
            raise ProgramError(f"waited {PATIENCE_SECONDS:g} s for the {program.name}, in vain. {program.last_words()}")
        time.sleep(LOOK_SECONDS)


def _set(overlay: Mapping[str, str]) -> Iterator[str]:
    for key, value in overlay.items():
        yield from ("--set", f"{key}={value}")
