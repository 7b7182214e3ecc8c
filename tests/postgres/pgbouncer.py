"""The PgBouncer of this machine, before a PostgreSQL of a test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stack.leashed import Leashed, Program
from stack.ports import Ports
from stack.postgres_binary import BORROWED
from stack.unavailable import Unavailable
from tests import site_database
from tests.awaiting import await_that

if TYPE_CHECKING:
    from collections.abc import Iterator

ADVICE = "no PgBouncer on the PATH; install Debian's or Ubuntu's package pgbouncer"
ADMINISTRATOR = "pgbouncer"
"""The pooler's own database, in which it tells what it does."""


@dataclass(frozen=True, slots=True)
class Pooler:
    """A running PgBouncer."""

    dsn: str
    """The database behind it, as the watcher's role."""
    console: str
    """Its own database."""

    def servers(self) -> int:
        """How many connections to PostgreSQL it has."""
        with psycopg.connect(self.console, autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
            return len(console.execute("SHOW SERVERS").fetchall())


def executable() -> str:
    """Its path.

    Raises:
        Unavailable: there is none.
    """
    # Debian keeps it where an ordinary user's PATH does not look.
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Unavailable("pgbouncer", ADVICE)
    return path


@contextmanager
def running(
    server: str, *, pool_mode: Literal["session", "transaction", "statement"], pool_size: int
) -> Iterator[Pooler]:
    """A pooler before a server, for the length of the block.

    Args:
        server: connection string of the database, as its administrator.
        pool_mode: when a connection to the server is handed to the next client.
        pool_size: connections to the server at most.

    Raises:
        Unavailable: there is no PgBouncer.
    """
    program, given = executable(), conninfo_to_dict(server)
    account = next(name for name in BORROWED if _known(name)) if os.geteuid() == 0 else None  # it refuses to be root
    with Ports() as ports, tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder, port = Path(name), ports.take()
        settings, users = folder / "pgbouncer.ini", folder / "users.txt"
        users.write_text(
            f'"{given["user"]}" "{given["password"]}"\n"{site_database.WATCHER_ROLE}" "{site_database.PASSWORD}"\n'
        )
        settings.write_text(
            "[databases]\n"
            f"* = host={given['host']} port={given['port']}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {users}\nadmin_users = {given['user']}\n"
            f"pool_mode = {pool_mode}\ndefault_pool_size = {pool_size}\n"
        )
        if account:
            for path in (folder, settings, users):
                os.chown(path, pwd.getpwnam(account).pw_uid, -1)
        command = [program, *(["--user", account] if account else []), str(settings)]
        log = Path(tempfile.mkstemp(suffix=".log", dir=folder)[1])
        process = Leashed(Program(command, log, {"PATH": os.environ["PATH"]}, folder))
        try:
            own = make_conninfo(server, port=port)
            pooler = Pooler(
                site_database.as_role(own, site_database.WATCHER_ROLE), make_conninfo(own, dbname=ADMINISTRATOR)
            )
            await_that(lambda: _answers(pooler.console) or not process.is_alive(), "the pooler answers")
            assert process.is_alive(), log.read_text()
            yield pooler
        finally:
            process.send(signal.SIGTERM)
            process.wait(10)


def _known(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_uid != 0
    except KeyError:
        return False


def _answers(console: str) -> bool:
    try:
        with psycopg.connect(console, autocommit=True, connect_timeout=2) as connection:
            return not connection.closed
    except psycopg.OperationalError:
        return False
