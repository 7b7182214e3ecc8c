"""Compares verdicts: with a second opinion on the rules, with their log, and with what ClickHouse counted."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import psycopg
from clickhouse_connect.driver.client import Client

from demo.disagreement import Disagreement, Kind, compare_sums
from demo.entries import second_opinion
from demo.truth import Connection, ExpectedTotal
from demo.vote_truth import ExpectedStanding

SCHEMA = "crucible_watcher"
DECIDED = "SELECT verdict, count(*) FROM crucible_watcher.entry_verdict GROUP BY 1"
UNLOGGED = """
SELECT seen.entry_id, seen.verdict, seen.reasons, last.verdict, last.reasons
  FROM crucible_watcher.entry_verdict seen
  LEFT JOIN LATERAL (
      SELECT verdict, reasons FROM crucible_watcher.entry_decision log
       WHERE log.entry_id = seen.entry_id ORDER BY id DESC LIMIT 1
  ) last ON true
 WHERE (seen.verdict, seen.reasons) IS DISTINCT FROM (last.verdict, last.reasons)
 ORDER BY 1
"""
LEFT_OVER = """
SELECT seen.entry_id, seen.crucible_id, seen.verdict
  FROM crucible_watcher.entry_verdict seen
  LEFT JOIN "CrucibleEntry" entry ON entry.id = seen.entry_id AND entry."crucibleId" = seen.crucible_id
  LEFT JOIN "Crucible" crucible ON crucible.id = seen.crucible_id
  LEFT JOIN crucible_watcher.settlement ending ON ending.crucible_id = seen.crucible_id
 WHERE seen.verdict = 'waiting' AND ending.settled_at IS NOT NULL
    OR seen.verdict IN ('waiting', 'admitted') AND ending.settled_at IS NULL
       AND (entry.id IS NULL OR crucible.status = 'Cancelled')
 ORDER BY 1
"""
UNFINISHED = "SELECT key, state, error FROM crucible_watcher.outbox WHERE state <> 'done' ORDER BY id"
NOT_LOOKED_AT = "SELECT prefix, entry_id FROM crucible_watcher.left_payment ORDER BY id"
VERDICTS = """
SELECT 'Crucible', crucible_id, metric, sum(value)::bigint
  FROM crucible_watcher.entry_verdict,
       LATERAL (VALUES ('EntryAdmitted', (verdict = 'admitted')::int), ('EntryRejected', (verdict = 'rejected')::int),
                       ('PrizePool', fee)) AS counted (metric, value)
 GROUP BY 1, 2, 3 HAVING sum(value) <> 0
"""
COMMENTS = """
SELECT 'Crucible', coalesce(root."crucibleId", own."crucibleId"), 'commentCount', count(*)
  FROM "CommentV2" comment
  JOIN "Thread" own ON own.id = comment."threadId"
  LEFT JOIN "Thread" root ON root.id = own."rootThreadId"
 WHERE coalesce(root."crucibleId", own."crucibleId") IS NOT NULL
 GROUP BY 2
"""
PLACES = frozenset({"total_limit", "user_limit", "image_entered_already"})
"""Reasons that come and go with other entries."""
COUNTED = "('EntryAdmitted', 'EntryRejected', 'PrizePool', 'commentCount')"
SUMS: Mapping[str, str] = {
    "verdict counts": f"""SELECT entityType, entityId, metricType, sum(metricValue) FROM entityMetricEvents
        WHERE metricType IN {COUNTED} GROUP BY 1, 2, 3""",  # noqa: S608 - names of our own
    **{
        view: f"SELECT entity_type, entity_id, metric_type, sum(total) FROM {view} "  # noqa: S608 - names of our own
        f"WHERE metric_type IN {COUNTED} GROUP BY 1, 2, 3"
        for view in ("metric_totals", "metric_daily", "metric_hourly")
    },
}
"""Where ClickHouse counts verdicts, and the query of its sums."""


def tally(postgres: Connection) -> dict[str, int]:
    """Return how many entries have each verdict."""
    return {verdict: int(count) for verdict, count in postgres.execute(DECIDED)}


def opinions(postgres: Connection, voted: Mapping[int, ExpectedStanding]) -> list[Disagreement]:
    """Compare each verdict, of the log and as it stands, with what the rules say.

    Args:
        postgres: the site's database.
        voted: what the votes came to; who was voted on keeps its place when a rule changes.
    """
    pairs = [(crucible, entry) for crucible, standing in voted.items() for entry in standing.votes]
    # One moment: what is decided between two questions would be a difference that is none.
    with postgres.transaction():
        postgres.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        postgres.execute("SET LOCAL jit = off")  # it would take longer than what it compiles
        return [
            *differing(postgres, pairs),
            *(
                Disagreement(Kind.LOST, "outbox", f"{key} is {state}: {error}", 1)
                for key, state, error in postgres.execute(UNFINISHED)
            ),
            *(
                Disagreement(Kind.LOST, "payments", f"{prefix} has left entry {entry}, and nobody has looked at it", 1)
                for prefix, entry in postgres.execute(NOT_LOOKED_AT)
            ),
        ]


def differing(postgres: Connection, voted: Collection[tuple[int, int]], schema: str = SCHEMA) -> list[Disagreement]:
    """Return what is wrong with verdicts by PostgreSQL alone, once nothing moves any more.

    Args:
        postgres: the site's database.
        voted: crucible and entry of each that votes counted for.
        schema: the watcher's own.
    """
    numbers = {"crucibles": [crucible for crucible, _ in voted], "entries": [entry for _, entry in voted]}
    logged, standing = second_opinion.logged(schema).encode(), second_opinion.standing(schema).encode()
    unlogged, left_over = (query.replace(SCHEMA, schema).encode() for query in (UNLOGGED, LEFT_OVER))
    return [
        *_compared("decisions", postgres.execute(logged)),
        *_compared("verdicts", postgres.execute(standing, numbers), _but_for_places),
        *(
            Disagreement(
                Kind.WRONG, "verdict log", f"entry {entry} is {now} {why}, its last decision {was} {because}", 1
            )
            for entry, now, why, was, because in postgres.execute(unlogged)
        ),
        *(
            Disagreement(
                Kind.LOST,
                "verdicts",
                f"entry {entry} is {verdict} in crucible {crucible}, which it left or which is over",
                1,
            )
            for entry, crucible, verdict in postgres.execute(left_over)
        ),
    ]


def counts(postgres: Connection, clickhouse: Client) -> list[Disagreement]:
    """Compare what ClickHouse counts of verdicts and of discussions with the rows in PostgreSQL."""
    due = {
        ExpectedTotal(entity, number, metric): int(value)
        for query in (VERDICTS, COMMENTS)
        for entity, number, metric, value in postgres.execute(query)
    }
    findings = []
    for where, query in SUMS.items():
        rows = clickhouse.query(query).result_rows
        findings += compare_sums(where, due, {ExpectedTotal(*key): int(value) for *key, value in rows})
    return findings


def _compared(
    where: str, rows: psycopg.Cursor[tuple[Any, ...]], told: Callable[[str, list[str]], list[str]] | None = None
) -> list[Disagreement]:
    findings = []
    for entry, verdict, reasons, expected, why in rows:
        if verdict is None:
            findings.append(Disagreement(Kind.LOST, where, f"entry {entry} has no verdict", 1))
        elif verdict != expected or (told(verdict, reasons) != told(verdict, why) if told else reasons != why):
            what = f"entry {entry} is {verdict} {reasons} instead of {expected} {why}"
            findings.append(Disagreement(Kind.WRONG, where, what, 1))
    return findings


def _but_for_places(verdict: str, reasons: list[str]) -> list[str]:
    """Return reasons as they hold for longer: whether there is a place, nobody looks at again for who is out anyway.

    Who waits without a place gets the next one that it may have.
    """
    others = [reason for reason in reasons if reason not in PLACES]
    if verdict == "admitted" or (others and verdict != "waiting"):
        return others
    return others + ["no place"] * (len(others) < len(reasons))
