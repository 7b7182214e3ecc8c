"""What a judge has judged is so after a rebuild, however much it is."""

from itertools import combinations

from tests.votes.judges import send
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.model.vote import Vote
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.outcomes import PACKED

JUDGE = 77


def test_a_judge_of_very_many_pairs(world: VoteWorld) -> None:
    """Every repeat is answered as the vote was, every reverse is refused, and every pair gets its field back."""
    crucible = world.crucible(entries=50)
    world.keep(crucible)
    votes = [Vote(crucible, JUDGE, *pair) for pair in combinations(world.entries(crucible), 2)]
    assert send(world.redis, votes, world.cast) == len(votes) == 1_225
    before = dict(world.cast.counted)
    name = keys.judged(crucible, JUDGE)
    fields = set(world.redis.hkeys(name))  # type: ignore[arg-type]
    world.drained()
    world.redis.flushall()
    assert world.keep(crucible) == [Comparison.REBUILT]
    assert world.redis.hget(name, PACKED) == b"3"
    send(world.redis, [Vote(crucible, JUDGE, vote.loser, vote.winner) for vote in votes], world.cast)
    refused = world.cast.refused["judged_otherwise"]
    send(world.redis, votes, world.cast)

    assert refused == len(votes)
    assert all(came.repeated for came in world.cast.counted.values())
    for vote, came in world.cast.counted.items():
        first = before[vote]
        assert (came.winner_elo, came.loser_elo, came.epoch, came.seq, came.ms // 1000) == (
            first.winner_elo, first.loser_elo, first.epoch, first.seq, first.ms // 1000,
        )  # fmt: skip
    assert verdict(world, crucible) == []
    assert set(world.redis.hkeys(name)) == fields  # type: ignore[arg-type]
