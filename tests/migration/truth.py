"""What each view must show, asked of the raw tables alone, without the views' own SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

QUESTIONS = {
    "metric_totals": (
        "SELECT entity_type, entity_id, metric_type, total, events FROM metric_totals ORDER BY ALL",
        (
            "SELECT entityType, entityId, metricType, sum(metricValue), count() FROM entityMetricEvents "
            "GROUP BY ALL ORDER BY ALL"
        ),
    ),
    "metric_daily": (
        (
            "SELECT entity_type, entity_id, toString(day), total, events FROM "
            "(SELECT entity_type, entity_id, day, sum(total) AS total, sum(events) AS events "
            "FROM metric_daily GROUP BY ALL) ORDER BY ALL"
        ),
        (
            "SELECT entityType, entityId, formatDateTime(createdAt, '%Y-%m-%d', 'UTC') AS day, sum(metricValue), "
            "count() FROM entityMetricEvents GROUP BY ALL ORDER BY ALL"
        ),
    ),
    "metric_hourly": (
        "SELECT toString(hour), sum(total), sum(events) FROM metric_hourly GROUP BY hour ORDER BY ALL",
        (
            "SELECT formatDateTime(createdAt, '%Y-%m-%d %H:00:00', 'UTC') AS hour, sum(metricValue), count() "
            "FROM entityMetricEvents GROUP BY hour ORDER BY ALL"
        ),
    ),
    "crucible_stats": (
        "SELECT crucible_id, votes, judges, first_vote, last_vote FROM crucible_stats WHERE votes > 0 ORDER BY ALL",
        (
            "SELECT crucible_id, count(), uniqExact(user_id), min(created_at), max(created_at) "
            "FROM crucible_entry_rating GROUP BY crucible_id ORDER BY ALL"
        ),
    ),
    "crucible_stats.entries": (
        "SELECT crucible_id, entries FROM crucible_stats WHERE entries != 0 ORDER BY ALL",
        (
            "SELECT entityId, sum(metricValue) AS entries FROM entityMetricEvents "
            "WHERE entityType = 'Crucible' AND metricType = 'Entry' GROUP BY entityId HAVING entries != 0 ORDER BY ALL"
        ),
    ),
    "entry_record": (
        "SELECT crucible_id, entry_id, wins, losses FROM entry_record ORDER BY ALL",
        (
            "SELECT crucible_id, entry_id, sum(won), sum(lost) FROM ("
            "SELECT crucible_id, winner_entry_id AS entry_id, 1 AS won, 0 AS lost FROM crucible_entry_rating UNION ALL "
            "SELECT crucible_id, loser_entry_id, 0, 1 FROM crucible_entry_rating) "
            "GROUP BY crucible_id, entry_id ORDER BY ALL"
        ),
    ),
    "judge_activity": (
        "SELECT user_id, crucible_id, votes, first_vote, last_vote FROM judge_activity ORDER BY ALL",
        (
            "SELECT user_id, crucible_id, count(), min(created_at), max(created_at) FROM crucible_entry_rating "
            "GROUP BY user_id, crucible_id ORDER BY ALL"
        ),
    ),
    "entry_rating": (
        "SELECT crucible_id, entry_id, rating, votes FROM entry_rating ORDER BY ALL",
        (
            "SELECT crucible_id, entry_id, argMax(elo, (vote_epoch, vote_seq)), count() FROM ("
            "SELECT crucible_id, winner_entry_id AS entry_id, winner_elo AS elo, vote_epoch, vote_seq "
            "FROM crucible_entry_rating UNION ALL "
            "SELECT crucible_id, loser_entry_id, loser_elo, vote_epoch, vote_seq FROM crucible_entry_rating) "
            "WHERE vote_seq > 0 GROUP BY crucible_id, entry_id ORDER BY ALL"
        ),
    ),
}


def shown(client: Client, *names: str) -> dict[str, list[Any]]:
    """What the views show."""
    return {name: list(client.query(QUESTIONS[name][0]).result_rows) for name in names or QUESTIONS}


def true(client: Client, *names: str) -> dict[str, list[Any]]:
    """What they must show."""
    return {name: list(client.query(QUESTIONS[name][1]).result_rows) for name in names or QUESTIONS}
