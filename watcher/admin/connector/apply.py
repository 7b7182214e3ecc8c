"""Makes a connector what its file says, and waits until it runs."""

import time
from collections.abc import Callable
from typing import Final

from watcher.admin.connector.answers import ConnectorStatus
from watcher.admin.connector.failure import failure_text
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.plan import ConnectorPlan
from watcher.admin.connector.rest import PAUSE_SECONDS, Connect
from watcher.model.errors import TemporaryError, WatcherError

SETTLED_SECONDS: Final = 1.5
"""Seconds that tasks must run without a break until they count as running: after a change, the status of the tasks
before it is still shown for a moment, and a task that fails on its first poll ran for some milliseconds before."""


class ConnectorFailedError(WatcherError):
    """Raised when a connector is there, and does not run."""


def apply_plan(connect: Connect, file: ConnectorFile, todo: ConnectorPlan, *, timeout: float) -> ConnectorStatus:
    """Carry out a plan and return the status once every task runs. A task that had failed is started once more.

    A connector at rest is resumed: whoever applies a file wants it to run, and a new configuration does not wake it.

    Args:
        connect: the worker.
        file: what shall run.
        todo: what :func:`plan_connector` found.
        timeout: seconds to wait for the tasks.

    Raises:
        ConnectorFailedError: a task failed; with its reason.
        TemporaryError: the tasks do not run in time.
    """
    if todo.changes or not todo.exists:
        connect.put(file.name, file.config)
    else:
        before = connect.status(file.name)
        if before is not None and before.traces:
            connect.restart(file.name)
    if todo.at_rest:
        connect.resume(file.name)
    return await_running(connect, file, timeout=timeout)


def await_running(
    connect: Connect,
    file: ConnectorFile,
    *,
    timeout: float,
    settled: float = SETTLED_SECONDS,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ConnectorStatus:
    """Return the connector's status, once its tasks run and go on running.

    Raises:
        ConnectorFailedError: a task stays failed for as long as it would have had to run; with its reason.
        TemporaryError: neither happens in time.
    """
    deadline = clock() + timeout
    since, last = clock(), "unknown"
    while True:
        status = connect.status(file.name)
        now = clock()
        state = "absent" if status is None else "runs" if status.runs else "failed" if status.traces else "starting"
        if state != last:
            since, last = now, state
        if status is not None and now - since >= settled:
            if state == "runs":
                return status
            if state == "failed":
                raise ConnectorFailedError(failure_text(status, file))
        if now > deadline:
            states = "no status yet" if status is None else ", ".join(f"task {t.id} {t.state}" for t in status.tasks)
            raise TemporaryError(
                f"connector {file.name} does not run after {timeout:g} s ({states or 'no tasks yet'}); "
                "look again with `crucible connector status`"
            )
        pause(PAUSE_SECONDS)
