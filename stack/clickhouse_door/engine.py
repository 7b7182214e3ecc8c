"""chDB behind the door: one engine, one handle a request, one handle a session.

A process can host one engine on one path and any number of handles to it; a handle carries settings, the current
database and temporary tables, as a connection does, and runs one statement at a time. Handles cost 0.3 ms, so each
request outside a session gets a fresh one and nothing leaks from one request into the next. Handles run in parallel,
without Python's lock.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from stack.clickhouse_door.errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, StatementError
from stack.clickhouse_door.library import connect
from stack.clickhouse_door.statement import Insert, OtherStatement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stack.clickhouse_door.request import DoorRequest

# What the library switches on for people at a prompt and a server does not have.
_SERVER_MANNERS = {"implicit_select": "0", "allow_introspection_functions": "0", "async_insert": "0"}
_PLAIN_NAME = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave."""

    data: bytes
    format: str
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0


@dataclass(slots=True)
class _Session:
    handle: Any
    timeout: float  # seconds
    last_used: float
    busy: threading.Lock = field(default_factory=threading.Lock)


class Engine:
    """The engine on one data folder, exclusively."""

    def __init__(self, path: Path) -> None:
        """Open the engine.

        Raises:
            RuntimeError: another process has the folder open.

        """
        path.mkdir(parents=True, exist_ok=True)
        self._path = str(path.resolve())
        # The engine itself does not notice a second process on its folder, and both would write.
        self._lock = FileLock(path / "door.lock", thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise RuntimeError(
                f"{self._path} is open in another process; stop that one or give another --path"
            ) from None
        known = _has_held_a_table(path)
        # While this handle is open the engine stays; the last one to close would end it.
        self._root = connect(self._path)
        self._make_default_database_atomic(known)
        version, timezone = self._root.query("SELECT version(), timezone()", "TSV").bytes().decode().split()
        self.version: str = version
        self.timezone: str = timezone
        self._sessions: dict[str, _Session] = {}
        self._sessions_lock = threading.Lock()

    def _make_default_database_atomic(self, known: bool) -> None:
        """The library lays the working directory's files over ``default``; a server has an Atomic database there."""
        steps = ("DETACH", "ATTACH") if known else ("DROP", "CREATE")
        engine = "" if known else " ENGINE = Atomic"
        self._root.query(f"{steps[0]} DATABASE default")
        self._root.query(f"{steps[1]} DATABASE default{engine}")

    def run(self, statement: Insert | OtherStatement, data: list[bytes], request: DoorRequest) -> Answer:
        """Run one statement.

        Args:
            statement: what to run.
            data: an INSERT's rows, in pieces.
            request: whence its session, database, settings and parameters.

        Raises:
            StatementError: the engine refused it, or its session is in use or unknown.

        """
        with self._handle(request) as handle:
            try:
                if isinstance(statement, Insert):
                    return _insert(handle, statement, data, request.parameters)
                result = handle.query(statement.text, statement.output_format, params=dict(request.parameters))
                return Answer(result.bytes() or b"", statement.output_format, result.rows_read(), result.bytes_read())
            except RuntimeError as error:
                raise StatementError.from_engine(error) from error

    @contextmanager
    def _handle(self, request: DoorRequest) -> Iterator[Any]:
        if request.session_id is not None:
            with self._session(request) as handle:
                yield handle
            return
        # A handle is opened in a database for nothing, and USE costs 0.3 ms.
        plain = request.database is not None and _PLAIN_NAME.fullmatch(request.database)
        handle = self._open(request.database if plain else None)
        try:
            if not plain:
                _use(handle, request.database)
            _set(handle, request.settings)
            yield handle
        finally:
            handle.close()

    def _open(self, database: str | None = None) -> Any:
        return connect(self._path, **_SERVER_MANNERS, **({"database": database} if database else {}))

    @contextmanager
    def _session(self, request: DoorRequest) -> Iterator[Any]:
        """Give the session's handle, with the request's settings for this request alone."""
        session = self._enter_session(request)
        try:
            before = _current(session.handle, request.settings)
            _use(session.handle, request.database)
            _set(session.handle, request.settings)
            try:
                yield session.handle
            finally:
                with suppress(StatementError):
                    _set(session.handle, before)
        finally:
            session.last_used = time.monotonic()
            session.busy.release()

    def _enter_session(self, request: DoorRequest) -> _Session:
        name = str(request.session_id)
        with self._sessions_lock:
            self._forget_idle_sessions()
            session = self._sessions.get(name)
            if session is None:
                if request.session_check:
                    raise StatementError.of(SESSION_NOT_FOUND, f"Session {name} not found")
                session = _Session(self._open(), request.session_timeout, time.monotonic())
                self._sessions[name] = session
            if not session.busy.acquire(blocking=False):
                raise StatementError.of(SESSION_IS_LOCKED, f"Session {name} is locked by a concurrent client")
            return session

    def _forget_idle_sessions(self) -> None:
        now = time.monotonic()
        for name, session in list(self._sessions.items()):
            if now - session.last_used > session.timeout and session.busy.acquire(blocking=False):
                del self._sessions[name]
                session.handle.close()

    def close(self) -> None:
        """Flush Buffer tables, as a server does that is asked to stop, and close the engine."""
        buffers = self._root.query("SELECT database, name FROM system.tables WHERE engine = 'Buffer'", "TSV").bytes()
        for line in buffers.decode().splitlines():
            database, name = line.split("\t")
            with suppress(RuntimeError):  # its target may be gone
                self._root.query(f"OPTIMIZE TABLE {_quoted(database, '`')}.{_quoted(name, '`')}")
        with self._sessions_lock:
            for session in self._sessions.values():
                session.handle.close()
        self._root.close()
        self._lock.release()


def _insert(handle: Any, insert: Insert, data: list[bytes], parameters: Mapping[str, str]) -> Answer:
    """Insert rows as the engine's input stream, so that they become one block a partition.

    Nothing is committed before ``insert_done``: an error in the last row leaves nothing of the first.
    """
    for name, value in parameters.items():
        handle.query(f"SET param_{name} = {_quoted(value, chr(39))}")
    inserting = handle.send_insert(insert.head, insert.format)
    for piece in data:
        handle.insert_append(inserting, piece)
    result = handle.insert_done(inserting)
    return Answer(b"", insert.format, written_rows=result.rows_written(), written_bytes=result.bytes_written())


def _has_held_a_table(path: Path) -> bool:
    """Tell whether ``default`` has a folder in the store: without one, the engine cannot attach its own database file.

    A server that is killed before its first table leaves that state. There is nothing to lose then: make it anew.
    """
    try:
        written = (path / "metadata" / "default.sql").read_text()
    except FileNotFoundError:
        return False
    uuid = re.search(r"UUID '([0-9a-f-]+)'", written)
    return uuid is None or (path / "store" / uuid[1][:3] / uuid[1]).exists()


def _use(handle: Any, database: str | None) -> None:
    if not database:
        return
    try:
        handle.query(f"USE {_quoted(database, '`')}")
    except RuntimeError as error:
        raise StatementError.from_engine(error) from error


def _set(handle: Any, settings: Mapping[str, str]) -> None:
    if not settings:
        return
    # A quoted number is taken by a numeric setting too, an unquoted one is refused by a textual setting.
    pairs = ", ".join(f"{name} = {_quoted(value, chr(39))}" for name, value in settings.items())
    try:
        handle.query(f"SET {pairs}")
    except RuntimeError as error:
        raise StatementError.from_engine(error) from error


def _current(handle: Any, settings: Mapping[str, str]) -> dict[str, str]:
    if not settings:
        return {}
    names = ", ".join(_quoted(name, "'") for name in settings)
    question = f"SELECT name, value FROM system.settings WHERE name IN ({names})"  # noqa: S608 - names are quoted
    listed = handle.query(question, "JSONEachRow").bytes()
    return {row["name"]: row["value"] for row in map(json.loads, listed.splitlines())}


def _quoted(text: str, quote: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    return f"{quote}{escaped}{quote}"
