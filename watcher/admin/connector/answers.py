"""What Kafka Connect answers about a connector, in its own words."""

from collections.abc import Mapping
from typing import Final

import msgspec

_AT_REST: Final = frozenset({"PAUSED", "STOPPED"})
"""States that somebody has asked for. They outlive every change of the configuration, and end when asked to."""


class ConnectorTask(msgspec.Struct, frozen=True):
    """A task of a connector, and in ``trace`` why it failed, if it did."""

    id: int
    state: str
    worker_id: str = ""
    trace: str | None = None


class _State(msgspec.Struct, frozen=True):
    state: str
    worker_id: str = ""
    trace: str | None = None


class ConnectorStatus(msgspec.Struct, frozen=True):
    """The state of a connector and of its tasks."""

    name: str
    connector: _State
    tasks: tuple[ConnectorTask, ...] = ()

    @property
    def runs(self) -> bool:
        """Return whether the connector and at least one task run, and no task does anything else."""
        return self.connector.state == "RUNNING" and bool(self.tasks) and {t.state for t in self.tasks} == {"RUNNING"}

    @property
    def at_rest(self) -> str:
        """Return ``PAUSED`` or ``STOPPED`` if somebody has put the connector to rest, else nothing."""
        return self.connector.state if self.connector.state in _AT_REST else ""

    @property
    def traces(self) -> tuple[str, ...]:
        """Return the reason of each part that has failed."""
        parts: tuple[_State | ConnectorTask, ...] = (self.connector, *self.tasks)
        return tuple(part.trace or "no trace was given" for part in parts if part.state == "FAILED")


class Plugin(msgspec.Struct, frozen=True):
    """A plugin that the worker has: its class, and its version."""

    plugin: str = msgspec.field(name="class")
    version: str = ""


class _Definition(msgspec.Struct, frozen=True):
    name: str


class _Value(msgspec.Struct, frozen=True):
    name: str
    errors: tuple[str, ...] = ()


class _Setting(msgspec.Struct, frozen=True):
    definition: _Definition
    value: _Value


class Validation(msgspec.Struct, frozen=True):
    """What the plugin thinks of a configuration."""

    configs: tuple[_Setting, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """Return every key that the plugin declares."""
        return frozenset(setting.definition.name for setting in self.configs)

    @property
    def errors(self) -> Mapping[str, tuple[str, ...]]:
        """Return what is wrong, by key."""
        return {setting.value.name: setting.value.errors for setting in self.configs if setting.value.errors}


class _Place(msgspec.Struct, frozen=True):
    lsn: int | None = None


class _Stored(msgspec.Struct, frozen=True):
    offset: _Place | None = None


class Offsets(msgspec.Struct, frozen=True):
    """How far a connector has read, by what it has stored."""

    offsets: tuple[_Stored, ...] = ()
