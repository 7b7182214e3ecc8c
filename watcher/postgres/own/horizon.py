"""How far back in PostgreSQL's log a change may lie and still be news to somebody who reads the tables from now on."""

import time
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "horizon.sql")

PATIENCE_SECONDS: Final = 0.5
"""How long transactions under way are waited for. Longer: votes on a crucible are refused for longer; shorter: more
comparisons are made again."""
LOOK_SECONDS: Final = 0.01
"""Seconds between two looks at whether they are over; PostgreSQL tells nobody."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """A place in the log. What lies before it is in the tables for whoever reads them from now on."""

    lsn: int
    certain: bool
    """False: somebody has written before it and is not done, so what lies before it may yet become visible."""


class Horizons:
    """Tells horizons; remembers transactions that take long, so that each of them is waited for once."""

    def __init__(self) -> None:
        self._outlasting: set[str] = set()

    def now(self, session: Session) -> Horizon:
        """Return the end of the log, once those who are writing are done, or it has taken too long.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        lsn = log_end(session)
        # After the place: whoever has written before it and is still at it is among these.
        writing = _writers(session)
        self._outlasting &= writing
        until = time.monotonic() + PATIENCE_SECONDS
        while writing - self._outlasting and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            writing &= _writers(session)
        self._outlasting |= writing
        return Horizon(lsn, certain=not writing)


def log_end(session: Session) -> int:
    """Return where the next record of the log will begin: no change that anybody has heard of lies behind it.

    Raises:
        TemporaryError: PostgreSQL is away.
    """
    ((lsn,),) = session.read(_STATEMENTS["log_end"])
    return int(lsn)


def _writers(session: Session) -> set[str]:
    return {row[0] for row in session.read(_STATEMENTS["writers"])}
