"""Users from the site's own table."""

import asyncio
from typing import Any

import psycopg
import pytest

from stack import Stack
from watcher.postgres.pool import SitePool
from watcher.postgres.site.users import SiteUsers


@pytest.mark.parametrize(
    ("meta", "score"),
    [
        ('{"scores": {"total": 100.5}}', 100.5),
        ('{"scores": {"total": -3}}', -3.0),
        ('{"scores": {"total": 1e400}}', None),
        ('{"scores": {"total": -1e400}}', None),
        ('{"scores": {"total": 1e-400}}', None),
        ('{"scores": {"total": "1000"}}', None),
        ('{"scores": {"total": [1000]}}', None),
        ('{"scores": [{"total": 1000}]}', None),
        ('{"scores": {}}', None),
        ("[]", None),
        (None, None),
    ],
)
def test_a_score_is_that_user_s_alone(postgres: Stack, dsn: str, meta: str | None, score: float | None) -> None:
    """Whatever the site has in one row, the others of the same question are answered."""

    async def users(ids: list[int]) -> list[dict[str, Any]]:
        async with SitePool(dsn, size=1, timeout=10.0) as pool:
            return await SiteUsers(pool.fetch).users(ids)

    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as site:
        made = [
            site.execute('INSERT INTO "User" (meta) VALUES (%s) RETURNING id', [one]).fetchone()
            for one in (meta, '{"scores": {"total": 7}}')
        ]
    ids = [row[0] for row in made if row is not None]

    rows = {row["id"]: row["score"] for row in asyncio.run(users(ids))}

    assert rows == {ids[0]: score, ids[1]: 7.0}
