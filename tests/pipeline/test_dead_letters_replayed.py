"""Hundreds of changes are refused beside users who go on; the cause mended, letters are taken and all agrees."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from demo.audit import audit
from demo.places import Places
from tests.awaiting import await_that
from tests.command import crucible
from tests.pipeline.running import PATIENCE_SECONDS, await_agreement, count, live, running, unsettled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.pipeline import Pipeline

REFUSED = 300
ENTERED = """INSERT INTO "CrucibleEntry" ("crucibleId", "userId", {image})
    SELECT crucible.id, image."userId", image.id FROM "Image" image
     CROSS JOIN (SELECT id FROM "Crucible" ORDER BY id DESC LIMIT 1) crucible
     CROSS JOIN generate_series(1, 30)
     ORDER BY image.id DESC LIMIT {rows}"""
TABLE = '"CrucibleEntry"'


pytestmark = pytest.mark.soak("takes three minutes")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The whole way, once."""
    with running(tmp_path_factory.mktemp("letters")) as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(started: Pipeline) -> Pipeline:
    """The whole way, with a site that has lived a little and is counted."""
    live(started)
    await_agreement(started.endpoints)
    return started


def run(pipeline: Pipeline, *statements: str) -> None:
    """Run statements as the site's owner, each in a transaction of its own."""
    with pipeline.connect() as connection:
        connection.autocommit = True
        for statement in statements:
            connection.execute(statement.encode())


def refused(pipeline: Pipeline) -> int:
    """Return how many records of entries the watcher has refused."""
    return int(count(pipeline.ops_url, "crucible_dlq_events_total", table="CrucibleEntry"))


def await_refused(pipeline: Pipeline, rows: int) -> None:
    await_that(
        lambda: refused(pipeline) == rows and unsettled(pipeline.ops_url) == 0,
        f"{rows} refusals",
        PATIENCE_SECONDS,
        lambda: f"{refused(pipeline)} were. {pipeline.watcher.last_words()}",
    )


def replay(pipeline: Pipeline, *arguments: str, code: int = 0) -> dict[str, Any]:
    environ = {**os.environ, **pipeline.environ}
    done = crucible("dlq", "replay", "--json", *arguments, environ=environ, timeout=400)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def needed(pipeline: Pipeline) -> float:
    return count(pipeline.ops_url, "crucible_reconcile_needed", table="CrucibleEntry", reason="dead_letter")


def settled(pipeline: Pipeline, reason: str) -> None:
    """Take the letters: what can never be used is compared, once, and nothing is left."""
    disagreeing = crucible("reconcile", "--table", "CrucibleEntry", environ={**os.environ, **pipeline.environ})
    foreseen = replay(pipeline, "--reason", reason, "--dry-run", code=1)
    live(pipeline)
    taken = replay(pipeline, "--reason", reason, "--compare")
    again = replay(pipeline, "--reason", reason)

    assert disagreeing.returncode == 1, disagreeing.stderr
    assert foreseen["outcomes"] == {"refused": REFUSED}
    assert (taken["outcomes"], taken["left"]) == ({"compared": REFUSED}, {})
    assert [(one["table"], one["settled"]) for one in taken["tables"]] == [("CrucibleEntry", True)], taken["tables"]
    assert (again["outcomes"], again["done_before"]) == ({}, REFUSED)
    await_that(lambda: needed(pipeline) == 0, "the need of a comparison to go", PATIENCE_SECONDS)
    live(pipeline)
    await_agreement(pipeline.endpoints)
    with Places.at(pipeline.endpoints) as places:
        report = audit(places)
    assert (str(report), report.twice) == ("no disagreement", 0)


def test_replica_identity_default_for_a_while(pipeline: Pipeline) -> None:
    """Updates and deletes come without the row before: no mend of anything makes them usable."""
    run(pipeline, ENTERED.format(image='"imageId"', rows=REFUSED))
    await_agreement(pipeline.endpoints)
    last = f"id IN (SELECT id FROM {TABLE} ORDER BY id DESC LIMIT {REFUSED})"  # noqa: S608
    run(
        pipeline,
        f"ALTER TABLE {TABLE} REPLICA IDENTITY DEFAULT",
        f'UPDATE {TABLE} SET "userId" = (SELECT min(id) FROM "User") WHERE {last} AND id % 3 > 0',  # noqa: S608
        f"DELETE FROM {TABLE} WHERE {last} AND id % 3 = 0",  # noqa: S608
        f"ALTER TABLE {TABLE} REPLICA IDENTITY FULL",
    )
    await_refused(pipeline, REFUSED)

    settled(pipeline, "incomplete_row")


def test_a_column_with_another_name_for_a_while(pipeline: Pipeline) -> None:
    """Rows that came meanwhile are known by their key."""
    before = refused(pipeline)
    run(
        pipeline,
        f'ALTER TABLE {TABLE} RENAME COLUMN "imageId" TO picture',
        ENTERED.format(image="picture", rows=REFUSED),
        f'ALTER TABLE {TABLE} RENAME COLUMN picture TO "imageId"',
    )
    await_refused(pipeline, before + REFUSED)

    settled(pipeline, "bad_row")
