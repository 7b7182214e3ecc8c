"""Materialized views that lack a part of their table, or have one twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.awaiting import await_that
from tests.reconcile.whole.conftest import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole

VOTED = "SELECT count() FROM crucible_entry_rating WHERE vote_seq > 0"
VOTES = 40
AGAIN = """INSERT INTO crucible_entry_rating
SELECT * FROM crucible_entry_rating WHERE vote_seq BETWEEN 2 AND 6 AND crucible_id = (
    SELECT crucible_id FROM crucible_entry_rating WHERE vote_seq > 0 GROUP BY 1 ORDER BY count() DESC LIMIT 1
)"""
AN_EVENT = """ALTER TABLE entityMetricEvents DELETE WHERE source = 'vote' AND sourceLsn = 8 AND sourceKey = (
    SELECT crucible_id FROM crucible_entry_rating WHERE vote_seq > 0 GROUP BY 1 ORDER BY count() DESC LIMIT 1
)"""


def _await_votes(whole: Whole) -> None:
    def voted() -> int:
        with whole.places() as places:
            return int(places.clickhouse.query(VOTED).result_rows[0][0])

    before = voted()
    await_that(lambda: voted() >= before + VOTES, "votes to be cast", PATIENCE_SECONDS, whole.last_words)


def test_a_view_with_a_part_missing_and_one_doubled(whole: Whole) -> None:
    """They are brought to what their tables add up to, while rows come in."""
    with whole.people():
        _await_votes(whole)
        whole.clickhouse("ALTER TABLE metric_totals_v1 DELETE WHERE entity_type = 'Crucible'")
        whole.clickhouse("INSERT INTO metric_daily_v1 SELECT * FROM metric_daily_v1 WHERE entity_type = 'User'")
        whole.clickhouse("ALTER TABLE entry_rating_v1 DELETE WHERE crucible_id % 2 = 0")
        whole.clickhouse("INSERT INTO entry_rating_v1 SELECT * FROM entry_rating_v1 WHERE crucible_id % 2 = 1")
        _, report = whole.reconcile()
        whole.mended()

    assert {"metric_totals", "metric_daily"} <= {one["view"] for one in report["views"]}
    whole.await_right()


def test_votes_that_are_there_twice_and_one_without_its_event(whole: Whole) -> None:
    """What a drain leaves that stood still while Redis was set back and others drained: the same votes once more.

    How that comes about is in ``tests/votes/test_late_insert.py``; here it is what is left of it.
    """
    with whole.people():
        _await_votes(whole)
        whole.clickhouse(AGAIN)
        whole.clickhouse(AN_EVENT)
        _, report = whole.reconcile()
        whole.mended()

    assert {"vote there twice", "vote without event"} <= {one["kind"] for one in report["votes"]}
    whole.await_right()
