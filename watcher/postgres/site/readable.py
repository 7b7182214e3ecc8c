"""Whether the site's tables may be read: asked beforehand, so that a missing right is told before it is needed."""

from typing import Final

from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("readable.sql")
VOTING: Final = _STATEMENTS["voting_readable"]
"""A statement that names the tables without which nobody can vote, and reads no row of them."""
REST: Final = _STATEMENTS["rest_readable"]
"""A statement that names the other tables, and reads no row of them."""


def try_reading(session: Session) -> None:
    """Read nothing from every table of the site that is needed, to find whether it may be read.

    Raises:
        PostgresRefusedError: a table or a right is missing.
        TemporaryError: PostgreSQL is away.
    """
    session.read(VOTING)
    session.read(REST)
