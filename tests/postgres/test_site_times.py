"""Moments that PostgreSQL holds and nothing else here does: the infinities, and years that no row's column takes."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from stack import Stack
from watcher.postgres.own.entry_facts import facts
from watcher.postgres.pool import SitePool
from watcher.postgres.session import Session
from watcher.postgres.site.contests import crucible, entries
from watcher.postgres.site.crucibles import SiteCrucibles
from watcher.postgres.site.images import SiteImages

FIRST_MS, LAST_MS = -2_208_988_800_000, 10_413_791_999_999


@pytest.fixture
def site(postgres: Stack) -> Iterator[psycopg.Connection[Any]]:
    """The site."""
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as connection:
        yield connection


def made(site: psycopg.Connection[Any], statement: str, *values: object) -> int:
    """Run it and tell the id."""
    row = site.execute(f"{statement} RETURNING id", values).fetchone()  # type: ignore[arg-type] # a test's own
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (None, None)),
        ("2026-01-31 12:00", "2026-02-01", (1_769_860_800_000, 1_769_904_000_000)),
        ("-infinity", "infinity", (None, None)),
        ("infinity", "-infinity", (LAST_MS, FIRST_MS)),
        ("0044-03-15 BC", "20000-01-01", (None, None)),
        ("1969-12-31 23:59:59", "1969-12-31 23:59:59.5", (-1_000, -500)),
    ],
)
def test_a_crucible_without_an_end_has_none(
    site: psycopg.Connection[Any], session: Session, dsn: str, start: str, end: str, expected: tuple[Any, Any]
) -> None:
    """``infinity`` is no end, and beginning at minus infinity is having begun; the other way round is the outermost."""
    number = made(
        site,
        'INSERT INTO "Crucible" ("userId", name, "startAt", "endAt", "updatedAt") VALUES (1, %s, %s, %s, now())',
        "endless",
        start,
        end,
    )

    async def fetch() -> dict[str, Any] | None:
        async with SitePool(dsn, 1, 10.0) as pool:
            return await SiteCrucibles(pool.fetch).crucible(number)

    row, found = crucible(session, number), asyncio.run(fetch())

    assert row is not None
    assert found is not None
    assert (row.start_at, row.end_at) == (found["start_ms"], found["end_ms"]) == expected


def test_entries_of_no_moment_are_decided_by_the_same_ones(
    site: psycopg.Connection[Any], session: Session, dsn: str
) -> None:
    """Whoever decides reads the moments that the stream and the API do, and one row stops none of the others."""
    number = made(
        site,
        """INSERT INTO "Crucible" ("userId", name, "startAt", "endAt", "updatedAt")
           VALUES (1, 'odd', '-infinity', '20000-01-01', now())""",
    )
    entered = [
        made(
            site, 'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId", "createdAt") VALUES (%s, 1, 1, %s)',
            number, moment,
        )
        for moment in ("infinity", "-infinity", "20000-01-01", "0044-03-15 BC", "2026-01-31")
    ]  # fmt: skip

    found = {one.candidate.entry_id: one.candidate.facts for one in facts(session, [number], entered, again=True)}

    assert [found[one].created_ms for one in entered] == [LAST_MS, FIRST_MS, LAST_MS, FIRST_MS, 1_769_817_600_000]
    assert {(one.crucible.start_ms, one.crucible.end_ms) for one in found.values() if one.crucible} == {(None, None)}


def test_what_was_made_at_no_moment_fails_nobody_else(
    site: psycopg.Connection[Any], session: Session, dsn: str
) -> None:
    """One row with such a moment, and the others of the same page are answered."""
    number = made(site, """INSERT INTO "Crucible" ("userId", name, "updatedAt") VALUES (1, 'odd', now())""")
    thread = made(site, 'INSERT INTO "Thread" ("imageId") VALUES (20)')
    for moment in ("infinity", "-infinity", "2026-01-31"):
        made(
            site, 'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId", "createdAt") VALUES (%s, 1, 1, %s)',
            number, moment,
        )  # fmt: skip
        made(
            site,
            'INSERT INTO "CommentV2" (content, "threadId", "userId", "createdAt", "updatedAt") '
            "VALUES ('said', %s, 1, %s, now())",
            thread, moment,
        )  # fmt: skip

    async def fetch() -> list[int]:
        async with SitePool(dsn, 1, 10.0) as pool:
            images = SiteImages(pool.fetch)
            assert (await images.commented([20], nsfw=True))[20][1].count == 3
            return [one.created_ms for one in (await images.comments(20, None, 10, nsfw=True)).comments]

    assert [one.entry.created_at for one in entries(session, number, 0, 10)] == [LAST_MS, FIRST_MS, 1_769_817_600_000]
    assert asyncio.run(fetch()) == [LAST_MS, 1_769_817_600_000, FIRST_MS]
