"""Whether Redis, ClickHouse and what judges were answered say the same."""

import json
from collections import Counter
from typing import Any, cast

from tests.migration.truth import shown, true
from tests.replay import replay
from tests.votes.world import VoteWorld
from watcher.model.vote import LoggedVote
from watcher.redis import keys
from watcher.redis.outcomes import unpack_command

VIEWS = (
    "crucible_stats",
    "entry_record",
    "judge_activity",
    "entry_rating",
    "metric_totals",
    "metric_daily",
    "metric_hourly",
)
NUMBERED = (
    "SELECT vote_epoch, vote_seq, winner_entry_id, loser_entry_id, user_id, toUnixTimestamp(created_at), winner_elo, "
    "loser_elo FROM crucible_entry_rating WHERE crucible_id = {} AND vote_seq > 0 ORDER BY vote_epoch, vote_seq"
)


def verdict(world: VoteWorld, *crucible_ids: int, lost: int = 0) -> list[str]:
    """Every disagreement, in words.

    Args:
        world: the corner.
        crucible_ids: what to look at.
        lost: votes that were answered and may be lost at most (Redis was lost with its files before they were drained).
    """
    wrong = []
    for crucible_id in crucible_ids:
        wrong += _crucible(world, crucible_id)
    wrong += _answers(world, crucible_ids, lost)
    with world.clickhouse() as client:
        wrong += [
            f"{name} does not show what its table holds" for name in VIEWS if shown(client, name) != true(client, name)
        ]
    return wrong


def _crucible(world: VoteWorld, crucible_id: int) -> list[str]:
    votes = [LoggedVote(*row) for row in world.ask(NUMBERED.format(crucible_id))]
    wrong = []
    places = Counter((vote.epoch, vote.seq) for vote in votes)
    if twice := [place for place, times in places.items() if times > 1]:
        wrong.append(f"{crucible_id}: {len(twice)} votes are in ClickHouse more than once")
        votes = list({(vote.epoch, vote.seq): vote for vote in votes}.values())
    done = replay(votes)
    if done.differing:
        wrong.append(f"{crucible_id}: {len(done.differing)} votes recorded other ratings than their replay gives")
    entries = world.entries(crucible_id)
    ratings = {int(one): int(rating) for one, rating in _hash(world, keys.elo(crucible_id)).items()}
    expected = {one: done.ratings.get(one, 1500) for one in entries}
    if ratings != expected:
        wrong.append(f"{crucible_id}: {_differing(ratings, expected)} ratings in Redis differ from the replay")
    if sum(ratings.values()) != 1500 * len(entries):
        wrong.append(f"{crucible_id}: ratings add up to {sum(ratings.values())}, not 1500 x {len(entries)}")
    counts = {int(one): int(votes) for one, votes in _hash(world, keys.votes(crucible_id)).items()}
    if counts != {one: votes for one, votes in done.votes.items() if one in set(entries)}:
        wrong.append(f"{crucible_id}: {_differing(counts, done.votes)} vote counts in Redis differ from the replay")
    ((events, total),) = world.ask(
        "SELECT count(), sum(metricValue) FROM entityMetricEvents "  # noqa: S608 - a number
        f"WHERE entityType = 'Crucible' AND entityId = {crucible_id} AND metricType = 'Vote'"
    )
    if (events, total) != (len(votes), len(votes)):
        wrong.append(f"{crucible_id}: {len(votes)} votes, but {events} metric events that add up to {total}")
    return wrong + _judges(world, crucible_id, votes) + _standings(world, crucible_id, ratings)


def _judges(world: VoteWorld, crucible_id: int, votes: list[LoggedVote]) -> list[str]:
    """Who judged which pair."""
    wrong = []
    judges = {int(cast("bytes", one)) for one in world.redis.smembers(keys.judges(crucible_id))}  # type: ignore[union-attr]
    if judges != {vote.user_id for vote in votes}:
        wrong.append(
            f"{crucible_id}: {len(judges)} judges in Redis, {len({vote.user_id for vote in votes})} have voted"
        )
    for judge in judges:
        while world.redis.execute_command(*unpack_command(keys.judged(crucible_id, judge))):  # type: ignore[no-untyped-call]
            pass
    pipeline = world.redis.pipeline(transaction=False)
    for vote in votes:
        low, high = sorted((vote.winner, vote.loser))
        pipeline.hget(keys.judged(crucible_id, vote.user_id), f"{low}:{high}")
    for vote, text in zip(votes, pipeline.execute(), strict=True):
        expected = f"{vote.winner}:{vote.epoch}:{vote.seq}:{vote.winner_elo}:{vote.loser_elo}:{vote.ms}"
        if not (text or b"").decode().startswith(expected):
            wrong.append(f"{crucible_id}: vote {vote.epoch}-{vote.seq} is remembered as {text!r}")
            break
    return wrong


def _standings(world: VoteWorld, crucible_id: int, ratings: dict[int, int]) -> list[str]:
    """Admitted entries, in order."""
    rows = {int(one): json.loads(row[30:]) for one, row in _hash(world, keys.entries(crucible_id)).items() if row[30:]}
    admitted = sorted(int(one) for one in _hash(world, keys.admitted(crucible_id)))
    found = cast("list[tuple[bytes, float]]", world.redis.zrange(keys.standings(crucible_id), 0, -1, withscores=True))
    expected = sorted((-ratings[one], rows[one]["created"], one) for one in admitted if one in ratings and one in rows)
    wrong = []
    if [(member.decode(), score) for member, score in found] != [
        (keys.standing(created, one), float(negative)) for negative, created, one in expected
    ]:
        wrong.append(f"{crucible_id}: the standings are not the ratings of the admitted entries")
    pooled = sorted(
        int(cast("bytes", one))
        for level in range(1, 32)
        for one in world.redis.smembers(keys.pool(crucible_id, level))  # type: ignore[union-attr]
    )
    if pooled != admitted or admitted != sorted(rows):
        wrong.append(f"{crucible_id}: {len(rows)} entries, {len(admitted)} admitted, {len(pooled)} in pools")
    return wrong


def _answers(world: VoteWorld, crucible_ids: tuple[int, ...], lost: int) -> list[str]:
    """Every vote that was answered as counted is in ClickHouse, with the numbers of the answer."""
    there = {
        (row[0], row[1], row[2], row[3]): row[4:]
        for row in world.ask(
            "SELECT crucible_id, user_id, winner_entry_id, loser_entry_id, vote_epoch, vote_seq, winner_elo, loser_elo "
            "FROM crucible_entry_rating WHERE vote_seq > 0"
        )
    }
    answered = {vote: came for vote, came in world.cast.counted.items() if vote[0] in crucible_ids}
    missing = [vote for vote in answered if vote not in there]
    wrong = []
    if len(missing) > lost:
        wrong.append(f"{len(missing)} of {len(answered)} votes that were answered are not in ClickHouse")
    for vote, came in answered.items():
        if vote in there and there[vote] != (came.epoch, came.seq, came.winner_elo, came.loser_elo):
            wrong.append(f"{vote} was answered with {came} and is {there[vote]}")
            break
    return wrong


def _hash(world: VoteWorld, name: str) -> dict[bytes, bytes]:
    return cast("dict[bytes, bytes]", world.redis.hgetall(name))


def _differing(one: dict[int, Any], other: dict[int, Any]) -> int:
    return sum(1 for key in one.keys() | other.keys() if one.get(key) != other.get(key))
