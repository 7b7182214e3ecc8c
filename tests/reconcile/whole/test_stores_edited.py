"""Somebody edits all stores by hand, and kills whoever puts that right: all of it is mended all the same."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from demo.program import OwnProgram
from tests.awaiting import await_that
from tests.reconcile.whole.conftest import COMMAND_SECONDS, PATIENCE_SECONDS
from watcher.redis import keys

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reconcile.whole.conftest import Whole

VOTED = "SELECT crucible_id, count() FROM crucible_entry_rating WHERE vote_seq > 0 GROUP BY 1 ORDER BY 2 DESC"
SOME_VOTES = 12
LOST_VOTES = """ALTER TABLE crucible_entry_rating DELETE WHERE crucible_id = {0}
AND ((vote_seq BETWEEN 3 AND 5) OR (vote_epoch, vote_seq) = (
    SELECT max((vote_epoch, vote_seq)) FROM crucible_entry_rating WHERE crucible_id = {0} AND vote_seq > 0
))"""
BY_HAND = (
    "ALTER TABLE entityMetricEvents DELETE WHERE source = 'CrucibleEntry' AND sourceKey % 17 = 3",
    """INSERT INTO entityMetricEvents
       SELECT * FROM entityMetricEvents WHERE source = 'CrucibleEntry' AND sourceKey % 23 = 5""",
    """INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt, source,
        sourceKey, sourceLsn, sourceId)
       SELECT 'Crucible', 1, 7, 'Entry', 1, now64(3), 'CrucibleEntry', 90000000 + number, 1,
              unhex(hex(sipHash128(number))) FROM numbers(9)""",
    """INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt, source,
        sourceKey, sourceLsn, sourceId)
       SELECT 'User', 5, 5, 'crucibleCount', -1, now64(3), 'Crucible', 90000000 + number, 1,
              unhex(hex(sipHash128(number, 1))) FROM numbers(3)""",
    "ALTER TABLE metric_hourly_v1 DELETE WHERE entity_type = 'User' AND entity_id % 3 = 0",
    "INSERT INTO judge_activity_v1 SELECT * FROM judge_activity_v1",
)
UNTRIGGERED = (
    "SET session_replication_role = replica",
    'UPDATE "CrucibleEntry" SET "userId" = 1 + id % 40 WHERE id % 29 = 0 AND "userId" > 1',
    """UPDATE "CrucibleEntry" SET "crucibleId" = (SELECT max(id) FROM "Crucible" WHERE name = 'standing')
       WHERE id % 31 = 1 AND "userId" > 1""",
    'DELETE FROM "CrucibleEntry" WHERE id % 37 = 2 AND "userId" > 1',
    'UPDATE "CrucibleEntry" SET id = id + 5000000 WHERE id < 5000000 AND id % 41 = 3 AND "userId" > 1',
    "RESET session_replication_role",
)
PLACES = (("repair.decided", "repair.copied"), ("repair.written:2", "view.exchanged"))
"""Where two runs at a time die."""


def _voted(whole: Whole) -> list[tuple[int, int]]:
    with whole.places() as places:
        return [(int(one), int(votes)) for one, votes in places.clickhouse.query(VOTED).result_rows]


def _harm(whole: Whole, crucible: int, other: int) -> None:
    """Edit all stores; of one crucible votes are lost, of another what Redis shows is wrong."""
    for statement in (LOST_VOTES.format(crucible), *BY_HAND):
        whole.clickhouse(statement)
    with whole.places() as places:
        redis = places.redis
        for entry in list(redis.hkeys(keys.entries(other)))[:5]:
            redis.hdel(keys.entries(other), entry)
        redis.zremrangebyrank(keys.standings(other), 0, 3)
        redis.hset(keys.state(other), "row", "{}")
        redis.hset("crucible:77000000:elo", "77000001", "1500")
        redis.hset(keys.state(77_000_000), mapping={"row": "{}", "status": "Active"})


def _edit_ratings(whole: Whole, crucible: int) -> None:
    """Edit some ratings and numbers of votes; nobody votes meanwhile, for each vote would carry them on."""
    with whole.places() as places:
        for entry in list(places.redis.hkeys(keys.votes(crucible)))[:4]:
            places.redis.hincrby(keys.elo(crucible), entry, 13)
            places.redis.hdel(keys.votes(crucible), entry)


def _fix(whole: Whole, name: str, folder: Path, place: str = "") -> OwnProgram:
    environ = {**whole.pipeline.environ, **({"CRUCIBLE_FAILPOINT": place} if place else {})}
    run = OwnProgram(name, ("-m", "watcher", "reconcile", "--fix"), folder, environ)
    run.start()
    return run


def test_stores_that_are_edited_by_hand_while_runs_are_killed(whole: Whole, tmp_path: Path) -> None:
    """Rows with triggers off, events, views, votes and keys; two runs at a time, each killed at another place."""
    with whole.people():
        await_that(
            lambda: len(found := _voted(whole)) > 1 and found[1][1] >= SOME_VOTES,
            "votes to be cast",
            PATIENCE_SECONDS,
            whole.last_words,
        )
        (crucible, _), (other, _), *_ = _voted(whole)
        _harm(whole, crucible, other)
        with whole.unpublished("CrucibleEntry"), whole.site() as site:
            for statement in UNTRIGGERED:
                site.execute(statement)
        whole.await_counted(whole.enter(5))
        for places in PLACES:
            runs = [_fix(whole, place, tmp_path, place) for place in places]
            for run in runs:
                assert run.wait(COMMAND_SECONDS) in {0, 1, 75, 128 + signal.SIGKILL}, run.last_words()
        whole.mended()
    whole.await_right()
    _edit_ratings(whole, other)
    code, report = whole.reconcile()
    assert code == 1
    assert {one["kind"] for one in report["redis"]} >= {"number of votes differs", "rating differs"}
    whole.mended()
    whole.await_right()
