"""Bring a connector to what its file says, and tell whether it got there."""

import difflib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from watcher.admin.connector.diff import Change, diff, short_trace, without_secrets
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.rest import PAUSE_SECONDS, Connect, Status, Validation
from watcher.model.errors import TemporaryError, WatcherError

EXACTLY_ONCE: Final = "exactly.once.support"
UNDECLARED: Final = frozenset({"offset.mismatch.strategy", "read.only"})
"""Keys that Debezium 3.7 reads but does not declare, so that validation does not list them."""
OPEN_ENDED: Final = ("topic.creation.", "producer.override.", "internal.", "converters.", "driver.", "database.query.")
"""Beginnings of keys that Kafka Connect or Debezium hand on, so that nobody declares them."""
SETTLED: Final = 1.5
"""Seconds that tasks must run without a break until they count as running: after a change, the status of the tasks
before it is still shown for a moment, and a task that fails on its first poll ran for some milliseconds before."""


class ConnectorInvalidError(WatcherError):
    """The plugin refuses the configuration, or it has keys that nobody knows."""


class ConnectorFailedError(WatcherError):
    """The connector is there, and does not run."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What keeps a re-sent change from counting twice. Either alone is enough; both are on by default."""

    worker: bool
    """The worker writes source records in transactions (``exactly.once.source.support=enabled``)."""
    connector: str
    """What the connector asks for: ``requested`` or ``required``."""
    identity: bool = True
    """The watcher asks ClickHouse for the identities of a batch before it inserts. Always on."""

    def lines(self) -> Iterator[str]:
        """Sentences for people, with what to do."""
        if self.worker:
            yield f"exactly-once source: on ({EXACTLY_ONCE}={self.connector})"
        else:
            yield (
                "exactly-once source: OFF. After a crash Kafka Connect sends changes again, and the watcher has to "
                "look each one up. Set exactly.once.source.support to `preparing`, then to `enabled`, on every worker"
            )
        yield "identity check in the watcher: on"


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying a file would do."""

    name: str
    exists: bool
    changes: tuple[Change, ...]
    guards: Guards
    at_rest: str = ""
    """``PAUSED`` or ``STOPPED``: applying lets it run again."""

    @property
    def does_nothing(self) -> bool:
        """Whether the connector is already what applying would make of it."""
        return self.exists and not self.changes and not self.at_rest


def plan(connect: Connect, file: ConnectorFile, *, allow_unknown: bool = False) -> Plan:
    """Validate a file and compare it with what runs. Changes nothing.

    Raises:
        ConnectorInvalidError: the plugin refuses it; every fault at once.
        ConnectRefusedError: the worker lacks the plugin.
        TemporaryError: the worker is away.
    """
    validation = connect.validate(file.name, file.config)
    faults = [
        f"{key}: {without_secrets(error, [file.config])}"
        for key, errors in sorted(validation.errors.items())
        for error in errors
    ]
    if not allow_unknown:
        faults += unknown_keys(file, validation)
    if faults:
        raise ConnectorInvalidError(f"connector {file.name} cannot run like this:\n" + "\n".join(dict.fromkeys(faults)))
    running = connect.config(file.name)
    status = None if running is None else connect.status(file.name)
    return Plan(
        name=file.name,
        exists=running is not None,
        changes=diff(running or {}, file.config),
        guards=guards(connect, file),
        at_rest="" if status is None else status.at_rest,
    )


def guards(connect: Connect, file: ConnectorFile) -> Guards:
    """Which guards against re-sent changes are on.

    A worker does not say whether its exactly-once support is enabled; but if not, it refuses a connector that
    requires it.
    """
    asked = connect.validate(file.name, {**file.config, EXACTLY_ONCE: "required"})
    return Guards(worker=EXACTLY_ONCE not in asked.errors, connector=file.config.get(EXACTLY_ONCE, "requested"))


def unknown_keys(file: ConnectorFile, validation: Validation) -> list[str]:
    """A sentence for each key that neither Kafka Connect nor the plugin knows: it would be ignored in silence."""
    known = validation.known | UNDECLARED
    # A converter may declare what it reads (Kafka's JSON one does) or nothing at all (Apicurio's Avro one).
    silent = [
        prefix
        for prefix in ("key.converter.", "value.converter.", "header.converter.")
        if not any(key.startswith(prefix) and not key.endswith(".plugin.version") for key in validation.known)
    ]
    sentences = []
    for key in sorted(file.config.keys() - known):
        if key.startswith((*OPEN_ENDED, *silent)):
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        sentences.append(f"{key}: neither Kafka Connect nor the plugin knows this key, it would be ignored{hint}")
    return sentences


def apply(connect: Connect, file: ConnectorFile, todo: Plan, *, patience: float) -> Status:
    """Carry out a plan and wait until every task runs. A task that had failed is started once more.

    A connector at rest is resumed: whoever applies a file wants it to run, and a new configuration does not wake it.

    Args:
        connect: the worker.
        file: what shall run.
        todo: what :func:`plan` found.
        patience: seconds to wait for the tasks.

    Raises:
        ConnectorFailedError: a task failed; with its reason.
        TemporaryError: the tasks do not run in time.
    """
    if todo.changes or not todo.exists:
        connect.put(file.name, file.config)
    else:
        before = connect.status(file.name)
        if before is not None and before.traces:
            connect.restart_failed(file.name)
    if todo.at_rest:
        connect.resume(file.name)
    return await_running(connect, file, patience=patience)


def await_running(
    connect: Connect,
    file: ConnectorFile,
    *,
    patience: float,
    settled: float = SETTLED,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Status:
    """Wait until the connector's tasks run and go on running.

    Raises:
        ConnectorFailedError: a task stays failed for as long as it would have had to run; with its reason.
        TemporaryError: neither happens in time.
    """
    deadline = clock() + patience
    since, last = clock(), "unknown"
    while True:
        status = connect.status(file.name)
        now = clock()
        verdict = "absent" if status is None else "runs" if status.runs else "failed" if status.traces else "starting"
        if verdict != last:
            since, last = now, verdict
        if status is not None and now - since >= settled:
            if verdict == "runs":
                return status
            if verdict == "failed":
                raise ConnectorFailedError(failure(status, file))
        if now > deadline:
            states = "no status yet" if status is None else ", ".join(f"task {t.id} {t.state}" for t in status.tasks)
            raise TemporaryError(
                f"connector {file.name} does not run after {patience:g} s ({states or 'no tasks yet'}); "
                "look again with `crucible connector status`"
            )
        pause(PAUSE_SECONDS)


def failure(status: Status, file: ConnectorFile) -> str:
    """Why a connector does not run, without secrets."""
    reasons = (without_secrets(short_trace(trace), [file.config]) for trace in status.traces)
    return f"connector {status.name} has failed:\n" + "\n".join(dict.fromkeys(reasons))
