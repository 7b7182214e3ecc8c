"""Who wants no notifications of a type, from the site's own table."""

from collections.abc import Collection
from typing import Final

from watcher.postgres.session import Session
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("opt_outs.sql")


def opted_out(session: Session, kind: str, user_ids: Collection[int]) -> set[int]:
    """Return those of some users who have switched notifications of a type off.

    Raises:
        PostgresRefusedError: the role may not read the table.
        TemporaryError: PostgreSQL is away.
    """
    if session.read(_STATEMENTS["has_opt_outs"]) != [(True,)]:
        return set()
    return {user for (user,) in session.read(_STATEMENTS["opted_out"], kind, list(user_ids))}
