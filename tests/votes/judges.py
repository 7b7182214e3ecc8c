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
    """Cast votes in one round trip, and note the answers; returns how many counted."""
    counted = 0
    try:
        with client.client() as one:  # a single connection
            identity = identity_of({**one.info("server"), **one.info("replication")})
            one.script_load(VOTE.text)
            pipeline = one.pipeline(transaction=False)
            for vote in votes:
                pipeline.sadd(keys.undrained(keys.bucket(vote.crucible_id)), vote.crucible_id)
                pipeline.execute_command(*votes_command(VOTE.sha, [Ballot(vote)], identity, max_log))
            answers = pipeline.execute(raise_on_error=False)[1::2]
    except (redis.RedisError, OSError):
        cast.unanswered += len(votes)
        time.sleep(BREATH_SECONDS)
        return 0
    for vote, answer in zip(votes, answers, strict=True):
        (came,) = [answer] if isinstance(answer, Exception) else outcomes(answer)
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
