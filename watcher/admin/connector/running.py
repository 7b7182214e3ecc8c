"""Pauses, resumes and restarts a connector for a person; each returns once that has happened.

Asked twice, nothing is done the second time. What a connector has read, its slot and its configuration stay.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from watcher.admin.connector.answers import ConnectorStatus
from watcher.admin.connector.apply import await_running
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.rest import PAUSE_SECONDS, Connect
from watcher.model.errors import TemporaryError, WatcherError

_QUIET: Final = frozenset({"PAUSED", "FAILED"})
"""States of tasks that do nothing; one that has failed stays so when its connector is paused."""


class NoConnectorError(WatcherError):
    """Raised when there is no connector of a name; its words say which ones there are."""


class ConnectorRestsError(WatcherError):
    """Raised when what somebody has put to rest is to be restarted, which does not wake it."""


@dataclass(frozen=True, slots=True)
class ConnectorTransition:
    """What came of pausing, resuming or restarting a connector."""

    did: bool
    """Whether anything was to be done."""
    before: ConnectorStatus
    after: ConnectorStatus

    def __str__(self) -> str:
        if not self.did:
            return f"connector {self.after.name} was {_states(self.before)} already; nothing was done"
        return f"connector {self.after.name} was {_states(self.before)}, and is {_states(self.after)}"


def pause_connector(connect: Connect, name: str, *, timeout: float) -> ConnectorTransition:
    """Pause a connector, and return once no task of it reads any more.

    Raises:
        NoConnectorError: there is none of that name.
        TemporaryError: the worker is away, or tasks still read when the time is over.
    """
    before = _status(connect, name, "pause")
    if _is_paused(before):
        return ConnectorTransition(did=False, before=before, after=before)
    _found(connect.pause(name), connect, name, "pause")
    return ConnectorTransition(did=True, before=before, after=_await_paused(connect, name, timeout))


def resume_connector(connect: Connect, name: str, *, timeout: float) -> ConnectorTransition:
    """Wake a connector that is paused or stopped, and return once every task runs.

    Raises:
        NoConnectorError: there is none of that name.
        ConnectorFailedError: a task has failed; with its reason.
        TemporaryError: the worker is away, or the tasks do not run when the time is over.
    """
    before = _status(connect, name, "resume")
    if before.runs:
        return ConnectorTransition(did=False, before=before, after=before)
    if before.at_rest:
        _found(connect.resume(name), connect, name, "resume")
    after = await_running(connect, ConnectorFile(name, _config(connect, name)), timeout=timeout)
    return ConnectorTransition(did=bool(before.at_rest), before=before, after=after)


def restart_connector(connect: Connect, name: str, *, timeout: float, everything: bool = False) -> ConnectorTransition:
    """Start a connector and its tasks once more, and return once every task runs.

    Args:
        connect: the worker.
        name: of the connector.
        timeout: seconds to wait for the tasks.
        everything: also what runs, as a secret that has changed in its file demands; else what has failed.

    Raises:
        NoConnectorError: there is none of that name.
        ConnectorRestsError: it is paused or stopped, which a restart does not end.
        ConnectorFailedError: a task fails again; with its reason.
        TemporaryError: the worker is away, or the tasks do not run when the time is over.
    """
    before = _status(connect, name, "restart")
    if before.at_rest:
        raise ConnectorRestsError(
            f"restart {name}: it is {before.at_rest}, which a restart does not end; `crucible connector resume` does"
        )
    if before.runs and not everything:
        return ConnectorTransition(did=False, before=before, after=before)
    _found(connect.restart(name, only_failed=not everything), connect, name, "restart")
    after = await_running(connect, ConnectorFile(name, _config(connect, name)), timeout=timeout)
    return ConnectorTransition(did=True, before=before, after=after)


def _await_paused(
    connect: Connect,
    name: str,
    timeout: float,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ConnectorStatus:
    deadline = clock() + timeout
    while True:
        status = _status(connect, name, "pause")
        if _is_paused(status):
            return status
        if clock() > deadline:
            raise TemporaryError(
                f"pause {name}: after {timeout:g} s it is {_states(status)}; "
                "look again with `crucible connector status`"
            )
        pause(PAUSE_SECONDS)


def _is_paused(status: ConnectorStatus) -> bool:
    return status.connector.state == "PAUSED" and {task.state for task in status.tasks} <= _QUIET


def _states(status: ConnectorStatus) -> str:
    tasks = ", ".join(f"task {task.id} {task.state}" for task in status.tasks)
    return f"{status.connector.state} ({tasks or 'no task'})"


def _status(connect: Connect, name: str, verb: str) -> ConnectorStatus:
    status = connect.status(name)
    if status is None:
        raise _missing(connect, name, verb)
    return status


def _config(connect: Connect, name: str) -> Mapping[str, str]:
    return connect.config(name) or {}


def _found(there: bool, connect: Connect, name: str, verb: str) -> None:
    if not there:
        raise _missing(connect, name, verb)


def _missing(connect: Connect, name: str, verb: str) -> NoConnectorError:
    there = ", ".join(connect.names()) or "none at all"
    return NoConnectorError(
        f"{verb} {name}: {connect.where} has no connector of that name; it has {there}. Say --name, "
        "or make it with `crucible connector apply`"
    )
