"""Users, from the site's own table."""

from collections.abc import Sequence
from typing import Any, Final

from watcher.postgres.pool import Fetch
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("users.sql")


class SiteUsers:
    """Reads users.

    Args:
        fetch: reads the site, ``SitePool.fetch``.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def users(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return a row for each of the users that there is.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        return await self._fetch(_STATEMENTS["users"], {"ids": list(ids)})
