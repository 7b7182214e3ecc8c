"""Judges who vote as the API has them do: one pipeline, the hint before the vote, the fence of that very connection."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import redis

from watcher.model.vote import Vote, VoteOutcome, VoteRefusal
from watcher.redis import keys
from watcher.redis.identity import identity_of
from watcher.redis.scripts import VOTE
from watcher.redis.vote import Ballot, outcomes, votes_command

MAX_LOG = 100_000
BREATH_SECONDS = 0.02
"""After a round of which nothing counted: without it, judges take the processor from what they wait for."""


@dataclass
class Cast:
    """What judges were answered."""

    counted: dict[tuple[int, int, int, int], VoteOutcome] = field(default_factory=dict)
    """Crucible, user, winner, loser -> the answer, of votes that were answered as counted."""
    refused: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0


def send(client: redis.Redis, votes: Sequence[Vote], cast: Cast, max_log: int = MAX_LOG) -> int:
    """Cast votes in one round trip, those on one crucible together, and note the answers; returns how many counted."""
    counted, by_crucible = 0, dict[int, list[Vote]]()
    for vote in votes:
        by_crucible.setdefault(vote.crucible_id, []).append(vote)
    calls = [some for all_ in by_crucible.values() for some in _cut(all_)]
    try:
        with client.client() as one:  # a single connection
            identity = identity_of({**one.info("server"), **one.info("replication")})
            one.script_load(VOTE.text)
            pipeline = one.pipeline(transaction=False)
            for some in calls:
                crucible_id = some[0].crucible_id
                pipeline.sadd(keys.undrained(keys.bucket(crucible_id)), crucible_id)
                pipeline.execute_command(*votes_command(VOTE.sha, map(Ballot, some), identity, max_log))
            answers = pipeline.execute(raise_on_error=False)[1::2]
    except (redis.RedisError, OSError):
        cast.unanswered += len(votes)
        time.sleep(BREATH_SECONDS)
        return 0
    for some, answer in zip(calls, answers, strict=True):
        each = [answer] * len(some) if isinstance(answer, Exception) else outcomes(answer)
        for vote, came in zip(some, each, strict=True):
            if isinstance(came, Exception):
                cast.unanswered += 1
            elif isinstance(came, VoteRefusal):
                cast.refused[came] += 1
            else:
                counted += 1
                cast.counted[vote.crucible_id, vote.user_id, vote.winner, vote.loser] = came
    if not counted:
        time.sleep(BREATH_SECONDS)
    return counted


def _cut(votes: list[Vote]) -> list[list[Vote]]:
    """Votes by the call: the first by itself, the others together, as far as one call takes them."""
    most = keys.MAX_VOTES_AT_ONCE
    return [votes[:1], *(votes[at : at + most] for at in range(1, len(votes), most))]
