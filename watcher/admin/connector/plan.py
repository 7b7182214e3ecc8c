"""What applying a connector file would do, found without changing anything."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from watcher.admin.connector.answers import Validation
from watcher.admin.connector.diff import SettingChange, changed_settings
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.rest import Connect
from watcher.admin.connector.secrets import without_secrets
from watcher.model.errors import WatcherError

EXACTLY_ONCE: Final = "exactly.once.support"
UNDECLARED: Final = frozenset({"offset.mismatch.strategy", "read.only"})
"""Keys that Debezium 3.7 reads but does not declare, so that validation does not list them."""
OPEN_ENDED: Final = ("topic.creation.", "producer.override.", "internal.", "converters.", "driver.", "database.query.")
"""Beginnings of keys that Kafka Connect or Debezium hand on, so that nobody declares them."""


class ConnectorInvalidError(WatcherError):
    """Raised when the plugin refuses a configuration, or it has keys that nobody knows."""


@dataclass(frozen=True, slots=True)
class ResendGuards:
    """What keeps a change that is sent again from counting twice. Either alone is enough; both are on by default."""

    worker: bool
    """The worker writes source records in transactions (``exactly.once.source.support=enabled``)."""
    connector: str
    """What the connector asks for: ``requested`` or ``required``."""
    identity: bool = True
    """The watcher asks ClickHouse for the identities of a batch before it inserts. Always on."""

    def lines(self) -> Iterator[str]:
        """Yield sentences for people, with what to do."""
        if self.worker:
            yield f"exactly-once source: on ({EXACTLY_ONCE}={self.connector})"
        else:
            yield (
                "exactly-once source: OFF. After a crash Kafka Connect sends changes again, and the watcher has to "
                "look each one up. Set exactly.once.source.support to `preparing`, then to `enabled`, on every worker"
            )
        yield "identity check in the watcher: on"


@dataclass(frozen=True, slots=True)
class ConnectorPlan:
    """What applying a file would do."""

    name: str
    exists: bool
    changes: tuple[SettingChange, ...]
    guards: ResendGuards
    at_rest: str = ""
    """``PAUSED`` or ``STOPPED``: applying lets it run again."""

    @property
    def does_nothing(self) -> bool:
        """Return whether the connector is already what applying would make of it."""
        return self.exists and not self.changes and not self.at_rest


def plan_connector(connect: Connect, file: ConnectorFile, *, allow_unknown: bool = False) -> ConnectorPlan:
    """Return what applying a file would do, once the plugin accepts it. Changes nothing.

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
    return ConnectorPlan(
        name=file.name,
        exists=running is not None,
        changes=changed_settings(running or {}, file.config),
        guards=resend_guards(connect, file),
        at_rest="" if status is None else status.at_rest,
    )


def resend_guards(connect: Connect, file: ConnectorFile) -> ResendGuards:
    """Return which guards against changes that are sent again are on.

    A worker does not say whether its exactly-once support is enabled; but if not, it refuses a connector that
    requires it.
    """
    asked = connect.validate(file.name, {**file.config, EXACTLY_ONCE: "required"})
    return ResendGuards(worker=EXACTLY_ONCE not in asked.errors, connector=file.config.get(EXACTLY_ONCE, "requested"))


def unknown_keys(file: ConnectorFile, validation: Validation) -> list[str]:
    """Return a sentence for each key that neither Kafka Connect nor the plugin knows and would ignore in silence."""
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
