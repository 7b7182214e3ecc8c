"""Which migrations there are and which were applied: the rules that both stores share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from watcher.model.errors import StopError
from watcher.sql_files import Applied, Migration

LOST: Final = (
    "restore it from a backup, or stop the watchers and have `crucible migrate up --missing` make it anew, empty: a "
    "watcher that is at a batch meanwhile puts it into a view twice, and stops over it"
)
"""What to do about a table that was made and is not there any more."""


class MigrationError(StopError):
    """Raised when a schema cannot be brought to where it belongs."""


class MigrationState(Enum):
    """How a migration stands."""

    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed"
    """Applied, and its file has other content now."""
    UNKNOWN = "unknown"
    """Applied by a newer version."""


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One migration and how it stands."""

    version: int
    name: str
    state: MigrationState
    applied_at: datetime | None

    def __str__(self) -> str:
        return f"{self.version:04d}_{self.name}"


def standing(known: Sequence[Migration], applied: Mapping[int, Applied]) -> list[MigrationStatus]:
    """Return every migration and how it stands, in order.

    Args:
        known: those of this program.
        applied: those that the store has recorded, by version.
    """
    found = []
    for migration in known:
        done = applied.get(migration.version)
        if done is None:
            found.append(MigrationStatus(migration.version, migration.name, MigrationState.PENDING, None))
        else:
            state = MigrationState.APPLIED if done.checksum == migration.checksum else MigrationState.CHANGED
            found.append(MigrationStatus(migration.version, migration.name, state, done.applied_at))
    newest = max((migration.version for migration in known), default=0)
    found += [
        MigrationStatus(version, done.name, MigrationState.UNKNOWN, done.applied_at)
        for version, done in sorted(applied.items())
        if version > newest
    ]
    return found


def pending_names(standing: Sequence[MigrationStatus]) -> list[str]:
    """Return the names of those that are still to be applied, in order."""
    return [str(one) for one in standing if one.state is MigrationState.PENDING]


def misfits(standing: Sequence[MigrationStatus]) -> list[str]:
    """Return those that this version did not apply as it has them, each with how it stands; empty: none."""
    odd = {MigrationState.CHANGED, MigrationState.UNKNOWN}
    return [f"{one} is {one.state.value}" for one in standing if one.state in odd]


def still_pending(store: str, known: Sequence[Migration], applied: Mapping[int, Applied]) -> list[Migration]:
    """Return what is still to be applied, in order.

    Args:
        store: whose migrations they are, for the message.
        known: those of this program.
        applied: those that the store has recorded, by version.

    Raises:
        MigrationError: the file of an applied migration was changed.
    """
    stand = standing(known, applied)
    for one in stand:
        if one.state is MigrationState.CHANGED:
            raise MigrationError(
                f"{store}: migration {one} was applied with other content than its file has now. Files of applied "
                "migrations never change: restore it from the release that applied it, and put the change into a new "
                "file"
            )
    pending = {one.version for one in stand if one.state is MigrationState.PENDING}
    return [migration for migration in known if migration.version in pending]
