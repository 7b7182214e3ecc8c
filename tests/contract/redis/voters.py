"""A process that votes: ``python -m tests.contract.redis.voters '{"url": ...}'``. Prints what each vote came to.

Told ``"torn": true`` it votes as one would without a script: read, calculate, write.
"""

import json
import sys
from dataclasses import dataclass
from random import Random

import redis

from tests.contract.redis.arena import CRUCIBLE, FENCE, outcome
from watcher.model.rating import gain
from watcher.model.vote import Vote, VoteOutcome, VoteRefusal
from watcher.redis import keys
from watcher.redis.scripts import VOTE, Script
from watcher.redis.vote import Ballot, votes_command

OVER = frozenset({VoteRefusal.ENDED, VoteRefusal.FROZEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What one process is to do."""

    url: str
    seed: int
    entries: int
    """Ids are 1 to this."""
    judges: int
    """Ids are 1 to this, the same for all processes: they repeat and contradict each other."""
    votes: int = 0
    """How many; 0: until one is refused because the crucible has ended or is frozen, or Redis goes away."""
    abreast: int = 8
    """Votes in one round trip."""
    script: str = VOTE.text
    torn: bool = False


def cast(orders: Orders) -> list[tuple[Vote, VoteOutcome | VoteRefusal]]:
    """Vote at random, and return what was answered; a round trip without an answer is not in it."""
    random, done = Random(orders.seed), []
    at_once = 1 + 3 * orders.seed  # some processes cast each vote by itself, others all of a round trip in one call
    script = Script.of(orders.script)
    with redis.Redis.from_url(orders.url, decode_responses=True) as client:
        client.script_load(script.text)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        while not orders.votes or len(done) < orders.votes:
            votes = [
                Vote(CRUCIBLE, random.randint(1, orders.judges), *random.sample(range(1, orders.entries + 1), 2))
                for _ in range(orders.abreast)
            ]
            try:
                came = torn(client, votes) if orders.torn else whole(client, script, votes, at_once)
            except redis.ConnectionError:
                break
            done += zip(votes, came, strict=True)
            if not orders.votes and not OVER.isdisjoint(came):
                break
    return done


def whole(client: redis.Redis, script: Script, votes: list[Vote], at_once: int) -> list[VoteOutcome | VoteRefusal]:
    """One round trip, and so many votes a call of the script."""
    pipeline = client.pipeline(transaction=False)
    for at in range(0, len(votes), at_once):
        ballots = [Ballot(vote) for vote in votes[at : at + at_once]]
        pipeline.execute_command(*votes_command(script.sha, ballots, FENCE, 10**9))
    return [outcome([one]) for answer in pipeline.execute() for one in answer]


def torn(client: redis.Redis, votes: list[Vote]) -> list[VoteOutcome | VoteRefusal]:
    """Two round trips a vote: others come in between."""
    elo, done = keys.elo(CRUCIBLE), []
    for vote in votes:
        before: list[str] = client.hmget(elo, str(vote.winner), str(vote.loser))  # type: ignore[assignment]
        points = gain(int(before[0]), int(before[1]))
        we, le = int(before[0]) + points, int(before[1]) - points
        pipeline = client.pipeline()
        pipeline.hset(elo, mapping={str(vote.winner): we, str(vote.loser): le})
        pipeline.hincrby(keys.state(CRUCIBLE), "seq", 1)
        fields = {"w": vote.winner, "l": vote.loser, "u": vote.user_id, "t": 0, "we": we, "le": le}
        pipeline.xadd(keys.log(CRUCIBLE), fields)  # type: ignore[arg-type]
        _, seq, _ = pipeline.execute()
        done.append(VoteOutcome(we, le, points, 1, seq, 0, repeated=False))
    return done  # type: ignore[return-value]


def main() -> None:
    """Do what the argument says."""
    done = cast(Orders(**json.loads(sys.argv[1])))
    json.dump([_words(*one) for one in done], sys.stdout)


def _words(vote: Vote, came: VoteOutcome | VoteRefusal) -> list[object]:
    told = (
        str(came)
        if isinstance(came, VoteRefusal)
        else [came.winner_elo, came.loser_elo, came.winner_delta, came.epoch, came.seq, came.ms, int(came.repeated)]
    )
    return [vote.crucible_id, vote.user_id, vote.winner, vote.loser, told]


if __name__ == "__main__":
    main()
