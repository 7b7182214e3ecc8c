"""Kafka Connect's side: the connector runs as its file says, and which guards against re-sent changes are on."""

from collections.abc import Callable, Iterator
from typing import Final

from watcher.admin.connector.diff import changed_settings
from watcher.admin.connector.failure import failure_text
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.plan import EXACTLY_ONCE, resend_guards
from watcher.admin.connector.rest import Connect
from watcher.admin.connector.signalled import signalling_fault
from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.model.errors import WatcherError
from watcher.model.extent import lsn_text
from watcher.postgres.own.event_slot import EVENTS_ANEW

CAUSES: Final = (
    "postgres",
    "kafka",
    "postgres.wal_level",
    "postgres.publication",
    "postgres.debezium_rights",
    "postgres.slot.gone",
    "connect.plugin",
)
"""Faults of others that end a task."""
OLDEST_VERSION: Final = (3, 7)
"""The oldest Debezium that finds its place again: https://github.com/debezium/debezium/pull/7531 and /7760 are in no
earlier version."""


def plugin(connect: Connect, file: ConnectorFile) -> Iterator[Finding]:
    """Find whether the worker has a Debezium that finds its place in the log again."""
    version = connect.version(file.config["connector.class"])
    if version is None:
        yield fail("connect.plugin", f"no {file.config['connector.class']}", "put its jars where plugin.path says")
        return
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers >= OLDEST_VERSION:
        yield ok("connect.plugin", f"Debezium {version}")
    else:
        yield warn(
            "connect.plugin",
            f"Debezium {version}: started again, it can pass over changes (of a COPY, and at PostgreSQL 17 and later)",
            "use 3.7 or later",
        )


def tasks(connect: Connect, file: ConnectorFile) -> Iterator[Finding]:
    """Find whether the connector is there and every task runs."""
    status = connect.status(file.name)
    if status is None:
        yield fail("connect.tasks", f"there is no connector {file.name}", "`crucible connector apply`")
    elif status.runs:
        yield ok("connect.tasks", f"{file.name}: {len(status.tasks)} running")
    else:
        found = failure_text(status, file) if status.traces else f"{file.name}: {status.connector.state}"
        advice = "`crucible connector status` shows the whole reason"
        if status.at_rest:
            advice = "somebody has put it to rest; `crucible connector resume` lets it run again"
        yield fail("connect.tasks", " ".join(found.split()), advice, because=CAUSES)


def settings(connect: Connect, file: ConnectorFile) -> Iterator[Finding]:
    """Find whether what runs is what the file says."""
    running = connect.config(file.name)
    if running is not None:
        changed = [one.key for one in changed_settings(running, file.config)]
        if changed:
            yield warn(
                "connect.settings",
                f"differs from the file in {', '.join(changed)}",
                "`crucible connector diff` shows how; apply the file, or name the one that was applied",
            )
        else:
            yield ok("connect.settings", "as in the file")


def signals(connect: Connect, file: ConnectorFile) -> Iterator[Finding]:
    """Find whether what runs hears signals, and says what it does; `crucible backfill --by-connector` needs both."""
    running = connect.config(file.name)
    if running is None:
        return
    fault = signalling_fault(running)
    if fault is None:
        yield ok("connect.signals", "heard from the signal table, and answered in a topic")
    else:
        yield warn("connect.signals", fault, "take the setting from the shipped file, and `crucible connector apply`")


def guards(connect: Connect, file: ConnectorFile) -> Iterator[Finding]:
    """Find which guards are on against changes that Debezium sends again after a crash."""
    found = resend_guards(connect, file)
    if found.worker:
        yield ok("connect.exactly_once", f"on, {EXACTLY_ONCE}={found.connector}")
    else:
        yield warn(
            "connect.exactly_once",
            "off: after a crash changes are sent again, and each is looked up in ClickHouse",
            "set exactly.once.source.support to preparing, then to enabled, on every worker",
        )
    yield ok("watcher.identity", "on: a change that comes again is recognised, and only committed records are read")


def position(
    connect: Connect, file: ConnectorFile, end_of_log: Callable[[], int], events: ConnectorFile | None = None
) -> Iterator[Finding]:
    """Find whether a connector's place is one that PostgreSQL's log has reached; else it passes over every change.

    Args:
        connect: the worker.
        file: the connector that should run.
        end_of_log: asks PostgreSQL where its log ends.
        events: the connector of events for others, which may not be there.
    """
    places = [("connect.position", file, _MAIN_ANEW)]
    if events is not None:
        places.append(("connect.events_position", events, EVENTS_ANEW))
    stored = [
        (name, place, advice) for name, one, advice in places if (place := connect.position(one.name)) is not None
    ]
    if not stored:
        return
    try:
        end = end_of_log()
    except WatcherError:
        return  # PostgreSQL's own checks say what is the matter
    for name, place, advice in stored:
        found = f"stored at LSN {lsn_text(place)}, PostgreSQL's log ends at {lsn_text(end)}"
        yield judged(name, place <= end, found, f"PostgreSQL was set back: {advice}")


_MAIN_ANEW: Final = (
    "make the connector anew (`crucible connector delete --offsets --yes`, drop the slot, `crucible connector apply`), "
    "then `crucible history accept`, then `crucible reconcile --fix`"
)
