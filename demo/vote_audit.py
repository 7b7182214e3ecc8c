"""Compares votes: what the API answered, ClickHouse's rows, events and views, Redis' ratings and counts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
import redis as redis_client
from clickhouse_connect.driver.client import Client

from demo.disagreement import Disagreement, Kind, compare_sums
from demo.judges.ledger import Cast, JudgesAccount, ServedImage
from demo.vote_truth import ExpectedStanding

EVENTS = """
SELECT entityId, userId, sum(metricValue) FROM entityMetricEvents
WHERE entityType = 'Crucible' AND metricType = 'Vote' GROUP BY 1, 2
"""
TOTALS = {
    view: f"SELECT entity_id, sum(total) FROM {view} "  # noqa: S608 - names of our own
    "WHERE entity_type = 'Crucible' AND metric_type = 'Vote' GROUP BY 1"
    for view in ("metric_totals", "metric_daily", "metric_hourly")
}
RATINGS = "SELECT crucible_id, entry_id, rating, votes FROM entry_rating"
HIDDEN = """
SELECT url, "nsfwLevel", "tosViolation" OR "needsReview" IS NOT NULL OR "blockedFor" IS NOT NULL
    OR ingestion <> 'Scanned' OR "nsfwLevel" & 32 > 0 OR "nsfwLevel" = 0
FROM "Image"
"""
LEVELS = 'SELECT id, CASE WHEN "showNsfw" THEN "browsingLevel" ELSE 1 END FROM "User"'


def numbering(votes: Sequence[Cast]) -> list[Disagreement]:
    """In each crucible the numbers go up by one; a new epoch goes on, or begins anew.

    >>> one, two, four = (Cast(5, 1, number, 7, 8, 3, 0, 0) for number in (1, 2, 4))
    >>> [str(finding) for finding in numbering([one, two, two, four])]
    ['votes: crucible 5 has vote 1-2 more than once, twice 1', 'votes: crucible 5 lacks 1 before vote 1-4, lost 1']
    """
    findings = []
    before: Cast | None = None
    for vote in votes:
        last = before.seq if before and before.crucible == vote.crucible else 0
        if before and before.epoch < vote.epoch and vote.seq <= last:
            last = 0
        name = f"{vote.epoch}-{vote.seq}"
        if vote.seq <= last:
            findings.append(
                Disagreement(Kind.TWICE, "votes", f"crucible {vote.crucible} has vote {name} more than once", 1)
            )
        elif vote.seq > last + 1:
            gap = vote.seq - last - 1
            what = f"crucible {vote.crucible} lacks {gap} before vote {name}"
            findings.append(Disagreement(Kind.LOST, "votes", what, gap))
        before = vote
    return findings


def ratings(voted: Mapping[int, ExpectedStanding]) -> list[Disagreement]:
    """Return where this does not hold: each vote recorded the ratings that the formula gives."""
    return [
        Disagreement(Kind.WRONG, "vote ratings", f"vote {vote} differs from the formula", 1)
        for standing in voted.values()
        for vote in standing.differing
    ]


def answers(told: JudgesAccount, votes: Iterable[Cast]) -> list[Disagreement]:
    """Return what is not in ClickHouse as judges were answered, or is there without an answer."""
    stored = Counter(votes)
    known = {(vote.crucible, vote.epoch, vote.seq): vote for vote in stored}
    answered = {_completed(vote, known) for vote in told.votes}
    lost = sorted(answered - stored.keys())
    unasked = sorted(stored.keys() - answered)
    return [
        *(Disagreement(Kind.LOST, "answered votes", f"{vote} was answered, and is not there", 1) for vote in lost),
        *(Disagreement(Kind.TWICE, "answered votes", f"{vote} is there, and nobody was told", 1) for vote in unasked),
        *(Disagreement(Kind.WRONG, "answers", what, 1) for what in told.broken),
    ]


def _completed(vote: Cast, known: Mapping[tuple[int, int, int], Cast]) -> Cast:
    """Return a vote with the ratings that are stored of it, where its judge was told none."""
    there = known.get((vote.crucible, vote.epoch, vote.seq))
    if vote.winner_elo is not None or there is None:
        return vote
    return vote._replace(winner_elo=there.winner_elo, loser_elo=there.loser_elo)


def redis(
    client: redis_client.Redis, standing: Mapping[int, set[int]], voted: Mapping[int, ExpectedStanding]
) -> list[Disagreement]:
    """Counts, last number and standings in Redis are those of the votes, and no vote waits in a log."""
    crucibles = sorted(crucible for crucible in voted if standing.get(crucible))
    pipeline = client.pipeline(transaction=False)
    for crucible in crucibles:
        tag = f"{{crucible:{crucible}:elo}}:"
        pipeline.hgetall(f"{tag}votes")
        pipeline.hmget(f"{tag}state", "epoch", "seq")
        pipeline.xlen(f"{tag}log")
        pipeline.zrange(f"{tag}standings", 0, -1, withscores=True)
    said = pipeline.execute()
    findings = []
    for at, crucible in enumerate(crucibles):
        counts, (epoch, seq), waiting, ranked = said[at * 4 : at * 4 + 4]
        due, there = voted[crucible], standing[crucible]
        findings += compare_sums(
            f"redis votes of crucible {crucible}",
            {entry: due.votes[entry] for entry in there if due.votes[entry]},
            {int(entry): int(count) for entry, count in counts.items() if int(entry) in there and int(count)},
        )
        begins_anew = int(epoch or 0) > due.last[0] and int(seq or 0) == 0  # after a rebuild, until somebody votes
        if int(seq or 0) != due.last[1] and not begins_anew:
            what = f"crucible {crucible} is at vote {seq}, its last is {due.last[1]}"
            findings.append(Disagreement(Kind.LOST, "redis", what, abs(int(seq or 0) - due.last[1])))
        if waiting:
            findings.append(Disagreement(Kind.LOST, "vote log", f"crucible {crucible} has votes waiting", waiting))
        placed = {int(member.partition(":")[2]): -int(score) for member, score in ranked}
        findings += [
            Disagreement(Kind.WRONG, "standings", f"crucible {crucible} ranks entry {entry} by {rating}", 1)
            for entry, rating in sorted(placed.items())
            if rating != due.ratings[entry]
        ]
    return findings


def events(clickhouse: Client, voted: Mapping[int, ExpectedStanding]) -> list[Disagreement]:
    """Return where this does not hold: each vote is an event of its crucible and its judge."""
    found = {(crucible, user): int(count) for crucible, user, count in clickhouse.query(EVENTS).result_rows}
    due = {(crucible, user): count for crucible, standing in voted.items() for user, count in standing.judges.items()}
    return compare_sums("vote events", due, found)


def views(clickhouse: Client, voted: Mapping[int, ExpectedStanding]) -> list[Disagreement]:
    """Totals by crucible, and ratings and counts by entry, are those of the votes."""
    due = {crucible: standing.cast for crucible, standing in voted.items()}
    findings = []
    for view, query in TOTALS.items():
        rows = clickhouse.query(query).result_rows
        findings += compare_sums(view, due, {crucible: int(total) for crucible, total in rows})
    found = {
        (crucible, entry): (rating, votes) for crucible, entry, rating, votes in clickhouse.query(RATINGS).result_rows
    }
    wanted = {
        (crucible, entry): (standing.ratings[entry], votes)
        for crucible, standing in voted.items()
        for entry, votes in standing.votes.items()
    }
    findings += [
        Disagreement(
            Kind.WRONG,
            "entry_rating",
            f"crucible {key[0]} entry {key[1]} is {found.get(key)}, not {wanted.get(key)}",
            1,
        )
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    ]
    return findings


def shown(postgres: psycopg.Connection[Any], images: Iterable[ServedImage]) -> list[Disagreement]:
    """Nobody was shown an image that is blocked, unrated, under moderation, or outside what they see."""
    image = {url: (level, hidden) for url, level, hidden in postgres.execute(HIDDEN)}
    levels = dict(postgres.execute(LEVELS).fetchall())
    findings = []
    for user, crucible, url in sorted(images):
        level, hidden = image.get(url.rpartition("/")[2], (0, True))
        if hidden or not level & levels.get(user, 0):
            what = f"user {user} of level {levels.get(user)} was shown {url} of level {level} in crucible {crucible}"
            findings.append(Disagreement(Kind.WRONG, "images", what, 1))
    return findings
