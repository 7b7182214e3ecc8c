"""PostgreSQL with logical decoding, from a wheel's binaries."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, ClassVar, Literal

import psycopg
from psycopg import sql

from stack import postgres_binary
from stack.leashed import Program
from stack.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Version = Literal[16, 18]
USER = "postgres"
REPLICATION_USER = "crucible_debezium"
"""The role that the project's Postgres preparation grants what Debezium needs."""


class Postgres(Part):
    """A server that Debezium can read: wal_level=logical, slots to spare, passwords asked for, TCP on loopback only.

    Started by root it runs as another user, from a folder of its own (see stack.postgres_binary).
    """

    name: ClassVar[str] = "postgres"
    graceful: ClassVar[signal.Signals] = signal.SIGINT  # fast shutdown: clients are sent away
    farewell: ClassVar[signal.Signals | None] = signal.SIGQUIT  # immediate, but it frees its shared memory

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        password: str,
        replication_password: str,
        database: str,
        version: Version = 18,
        fsync: bool = True,
    ) -> None:
        super().__init__(folder)
        self.port = port
        self.user = USER
        self.password = password
        self.replication_password = replication_password
        self.database = database
        self._version = version
        self._fsync = fsync
        self._home = postgres_binary.Home(self.folder, version)

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the server's port, as ``postgres``."""
        return {"postgres": self.port}

    @property
    def dsn(self) -> str:
        """Return a connection string of the superuser, password included."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def fetch(self) -> None:
        """See that the binaries are installed and that there is a user to run them as."""
        postgres_binary.installed(self._version)
        self._home.account()

    def prepare(self) -> None:
        """Initialise an empty data folder."""
        self._home.open()
        if (self._data / "PG_VERSION").exists():
            return
        pwfile = self._home.folder / "password"
        pwfile.touch(mode=0o600)
        pwfile.write_text(self.password)
        self._home.give(pwfile)
        how = ["--auth=scram-sha-256", f"--username={self.user}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        try:
            self.run_once([str(self._home.binary("initdb")), f"--pgdata={self._data}", f"--pwfile={pwfile}", *how])
        finally:
            pwfile.unlink()

    def program(self) -> Program:
        """Run the server, its settings on the command line."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",  # a socket's path may have 107 bytes; a data folder's may be longer
            "wal_level": "logical",
            "max_wal_senders": 20,
            "max_replication_slots": 20,
            "max_connections": 100,
            "fsync": "on" if self._fsync else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        home = self._home.folder
        return Program(
            [str(self._home.binary("postgres")), "-D", str(self._data), *options],
            log=self.log,
            environ=self.surroundings() | {"HOME": str(home), "TMPDIR": str(home)},
            folder=home,
            account=self._home.account(),
            farewell=self.farewell,
        )

    def answers(self) -> bool:
        """Connect and ask; the first time, make the database and the role."""
        try:
            with self._connect(self.database) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            if error.sqlstate == "3D000" or f'database "{self.database}" does not exist' in str(error):
                self._create_database()
            return False
        return True

    def belongings(self) -> tuple[Path, ...]:
        """Name the part's folder, and that of the other user."""
        return self.folder, self._home.folder

    @property
    def _data(self) -> Path:
        return self._home.folder / "data"

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            connect_timeout=2,
            autocommit=True,
        )

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            role = sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD {}")
            connection.execute(role.format(sql.Identifier(REPLICATION_USER), sql.Literal(self.replication_password)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
