"""Whose turn it is to compare the next part of the tables, and which part that is."""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "reconcile_turn.sql")

LEASE_SECONDS: Final = 60.0
"""Seconds for which a turn belongs to the process that took it and says nothing. Longer: after a crash it stands still
for longer; shorter: two processes compare the same, which is harmless, because one of them waits for a slow
neighbour."""


class RoundPlace(msgspec.Struct, frozen=True):
    """Where a round through all tables stands."""

    table: str
    """Compared next; empty: the first one."""
    key: int
    """From which key on."""
    round_began: datetime
    compared: tuple[str, ...] = ()
    """Tables that this round has compared as a whole."""


class TurnStatus(msgspec.Struct, frozen=True):
    """What others see of the turns."""

    table: str
    key: int
    taken_by: str | None
    """Who has the turn now."""
    age_seconds: float | None
    """Since the last turn was over; None: there was none."""


def take(session: Session, owner: str, interval: float) -> RoundPlace | None:
    """Return where to go on; None: it is not due, or somebody else's turn.

    Args:
        session: a connection.
        owner: names this process among others.
        interval: seconds between two turns.
    """
    asked = {"owner": owner, "lease": LEASE_SECONDS, "interval": interval}
    rows = session.run(_STATEMENTS["take"], asked)
    return RoundPlace(rows[0][0], int(rows[0][1]), rows[0][2], tuple(rows[0][3])) if rows else None


def keep(session: Session, owner: str) -> bool:
    """Renew the lease; return whether the turn is still this process's."""
    return bool(session.run(_STATEMENTS["keep"], {"owner": owner, "lease": LEASE_SECONDS}))


def note(session: Session, owner: str, table: str, key: int, compared: Sequence[str]) -> bool:
    """Note how far the round has come; return whether the turn is still this process's."""
    asked = {"owner": owner, "lease": LEASE_SECONDS, "table": table, "key": key, "compared": list(compared)}
    return bool(session.run(_STATEMENTS["note"], asked))


def end(session: Session, owner: str) -> None:
    """Note that the turn is over."""
    session.run(_STATEMENTS["end"], {"owner": owner})


def give_back(session: Session, owner: str) -> None:
    """Let any process take the next turn at once."""
    session.run(_STATEMENTS["give_back"], {"owner": owner})


def standing(session: Session) -> TurnStatus:
    """Return where the turns stand."""
    ((table, key, taken_by, age),) = session.read(_STATEMENTS["standing"])
    return TurnStatus(table, int(key), taken_by, age)
