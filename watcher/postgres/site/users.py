"""Users, from the site's own table."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, LiteralString

from watcher.postgres.site.statements import site_statements

Fetch = Callable[[LiteralString, Mapping[str, Any]], Awaitable[list[dict[str, Any]]]]
"""Rows of one statement. Raises ``TemporaryError``."""

_STATEMENTS: Final = site_statements("users.sql")


class SiteUsers:
    """The questions.

    Args:
        fetch: asks the site, ``SitePool.fetch``.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def users(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Rows of those of the users that there are.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        return await self._fetch(_STATEMENTS["users"], {"ids": list(ids)})
