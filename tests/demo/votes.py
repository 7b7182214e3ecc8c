"""Votes that are right in every place, written straight into the stores: no API, no script, no drain."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import md5
from random import Random
from typing import TYPE_CHECKING

from demo.judges.ledger import Cast, JudgesLedger
from demo.vote_truth import BASE, gain, standings

if TYPE_CHECKING:
    from pathlib import Path

    from demo.places import Places

RATINGS = (
    "crucible_id", "vote_epoch", "vote_seq", "winner_entry_id", "loser_entry_id", "user_id", "winner_elo", "loser_elo",
    "created_at",
)  # fmt: skip
EVENTS = (
    "entityType", "entityId", "userId", "metricType", "metricValue", "createdAt",
    "source", "sourceKey", "sourceLsn", "sourceId", "sourceIndex",
)  # fmt: skip
CRUCIBLE = 'SELECT "crucibleId", array_agg(id) FROM "CrucibleEntry" GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1'


def cast_votes(places: Places, answers: Path, count: int = 30) -> list[Cast]:
    """Cast votes in the crucible with the most entries, and write down each answer."""
    row = places.postgres.execute(CRUCIBLE).fetchone()
    assert row
    crucible, entries = row
    rng, ratings, votes = Random(5), dict.fromkeys(entries, BASE), []
    for number in range(1, count + 1):
        winner, loser = rng.sample(sorted(entries)[:8], 2)
        points = gain(ratings[winner], ratings[loser])
        ratings[winner] += points
        ratings[loser] -= points
        user = rng.randint(1, 5)
        votes.append(Cast(crucible, 1, number, winner, loser, user, ratings[winner], ratings[loser]))
    store(places, votes)
    ledger = JudgesLedger(answers)
    for vote in votes:
        ledger.voted(vote)
    ledger.close()
    return votes


def store(places: Places, votes: list[Cast]) -> None:
    """What a drain and the vote script leave."""
    now = datetime.now(UTC)
    rows = [(v.crucible, v.epoch, v.seq, v.winner, v.loser, v.user, v.winner_elo, v.loser_elo, now) for v in votes]
    places.clickhouse.insert("crucible_entry_rating", rows, column_names=RATINGS)
    events = [
        ("Crucible", v.crucible, v.user, "Vote", 1, now, "vote", v.crucible, v.seq, identity(v), 0) for v in votes
    ]
    places.clickhouse.insert("entityMetricEvents", events, column_names=EVENTS)
    for crucible, standing in standings(votes).items():
        tag = f"{{crucible:{crucible}:elo}}:"
        for entry, count in standing.votes.items():
            places.redis.hset(f"crucible:{crucible}:elo", str(entry), str(standing.ratings[entry]))
            places.redis.hset(f"{tag}votes", str(entry), str(count))
            places.redis.zadd(f"{tag}standings", {f"{0:015d}:{entry:010d}": -standing.ratings[entry]})
        places.redis.hset(f"{tag}state", mapping={"epoch": standing.last[0], "seq": standing.last[1]})


def identity(vote: Cast) -> bytes:
    """Of the vote's event."""
    return md5(str(vote[:3]).encode(), usedforsecurity=False).digest()
