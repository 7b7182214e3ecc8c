"""Whether the site's tables may be read: asked beforehand, so that a missing right is told before it is needed."""

from typing import Final

from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("readable.sql")
VOTING: Final = _STATEMENTS["voting_readable"]
"""Reads nothing of the tables without which nobody can vote."""
REST: Final = _STATEMENTS["rest_readable"]
"""Reads nothing of the others."""


def try_reading(session: Session) -> None:
    """Return when every table of the site may be read that is needed.

    Raises:
        PostgresRefusedError: a table or a right is missing.
        TemporaryError: PostgreSQL is away.
    """
    session.read(VOTING)
    session.read(REST)
