"""A site and a Redis, for what needs both."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis

from stack import Stack
from tests import site_database
from tests.stack.watching import started
from watcher.migrations.postgres.migrate import ensure


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """PostgreSQL with the site's tables and roles, and Redis; started once, emptied for each test."""
    with started("postgres", "redis") as stack:
        dsn = str(stack.endpoints.postgres_dsn)
        site_database.prepare(dsn)
        ensure(site_database.as_role(dsn, site_database.WATCHER_ROLE), "crucible_watcher")
        yield stack


@pytest.fixture
def site(parts: Stack) -> Iterator[psycopg.Connection[Any]]:
    """The site as its administrator: users 1 to 3, images 1 to 20 that may be shown, no crucibles."""
    with psycopg.connect(str(parts.endpoints.postgres_dsn), autocommit=True) as connection:
        connection.execute('TRUNCATE "Crucible", "CrucibleEntry", "Thread", "CommentV2" RESTART IDENTITY CASCADE')
        connection.execute(
            """UPDATE "Image" SET "nsfwLevel" = 1, ingestion = 'Scanned', "tosViolation" = false,
               "needsReview" = NULL, "blockedFor" = NULL"""
        )
        yield connection


@pytest.fixture
def dsn(parts: Stack) -> str:
    """The site as the watcher's role."""
    return site_database.as_role(str(parts.endpoints.postgres_dsn), site_database.WATCHER_ROLE)


@pytest.fixture
def raw(parts: Stack) -> Iterator[redis.Redis]:
    """An empty Redis, whose answers stay bytes."""
    with redis.Redis.from_url(parts.redis.url) as opened:
        opened.flushall()
        yield opened
