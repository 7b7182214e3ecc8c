"""What is known of connectors besides what Kafka Connect tells: who looks after them, restarts, and who paused them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final

from watcher.model.restarts import WINDOW_SECONDS
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "connector.sql")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A connector that this process looks after for now."""

    name: str
    failed_seconds: float
    """Since a task of it was first seen to have failed; 0: none has."""
    restarts: tuple[float, ...]
    """Ages in seconds of the restarts that were asked for."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Since when a connector is at rest, and who has paused it."""

    since: datetime
    by: str | None
    """Who has paused it; None if that is not known."""


def claim(session: Session, names: Sequence[str], owner: str, lease_seconds: float) -> list[Claimed]:
    """Return the connectors that nobody else looks after; from now on this process does, until its lease is over."""
    given = {"names": list(names), "owner": owner, "lease": lease_seconds}
    rows = session.run(_STATEMENTS["claim"], given)
    return [Claimed(name, failed, tuple(ages)) for name, failed, ages in rows]


def give_back(session: Session, owner: str) -> None:
    """Let another process look after what this one does."""
    session.run(_STATEMENTS["give_back"], owner)


def note_seen(session: Session, name: str, *, failed: bool, rests: bool) -> None:
    """Note whether a task has failed, and whether somebody has put the connector to rest; what lasts keeps its time."""
    session.run(_STATEMENTS["seen"], {"name": name, "failed": failed, "rests": rests})


def note_restart(session: Session, name: str) -> None:
    """Note that what has failed is about to be started once more."""
    session.run(_STATEMENTS["restarted"], WINDOW_SECONDS, name)


def note_rest(session: Session, name: str, by: str) -> None:
    """Note who has put a connector to rest, now."""
    session.run(_STATEMENTS["put_to_rest"], name, by)


def rest_of(session: Session, name: str) -> Rest | None:
    """Return since when a connector is at rest, as far as anybody has noted it."""
    rows = session.read(_STATEMENTS["rest"], name)
    return Rest(*rows[0]) if rows else None
