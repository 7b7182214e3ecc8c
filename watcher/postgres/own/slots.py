"""The replication slots that the connectors stream from."""

from importlib.resources import files
from typing import Final, NamedTuple

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "slots.sql")


class Slot(NamedTuple):
    """A slot as it is now."""

    name: str
    active: bool
    """Whether a connector's task streams from the slot."""
    retained_bytes: int
    """Of the write-ahead log, which cannot be removed before they were read."""


def slots(session: Session) -> list[Slot]:
    """Return the slots whose names begin with ``crucible``.

    Raises:
        TemporaryError: PostgreSQL is away.
    """
    return [Slot(*row) for row in session.read(_STATEMENTS["slots"])]
