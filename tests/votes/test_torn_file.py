"""Redis is killed while it writes a vote into its file: the file ends in the midst of the vote's transaction.

Redis takes what is whole of such a file, and writes on behind it. It does not take away the commands of the unfinished
transaction that are whole, so the start after that carries them out, before all that has come since.
"""

from collections.abc import Callable

import pytest

from tests.votes.judges import Cast, send
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.model.vote import Vote
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.client import node_identity
from watcher.redis.freeze import freeze
from watcher.redis.locked_crucible import ClosedState

VOTES = 20
"""In each Redis."""
TOGETHER = 3
"""Votes of the call that is cut off."""


def _die_in(world: VoteWorld, word: bytes) -> None:
    """Kill Redis in the midst of its last transaction, in this command of it, the last if there are several."""
    world.stack.redis.kill()
    files = (world.stack.redis.folder / "data").rglob("*.aof")
    path = max(files, key=lambda one: one.stat().st_mtime_ns)
    written = path.read_bytes()
    assert written.endswith(b"EXEC\r\n")
    begun = written.rindex(b"MULTI\r\n")
    path.write_bytes(written[: written.rindex(word, begun) + len(word) - 1])
    world.start_redis()


def _die(world: VoteWorld) -> None:
    world.stack.redis.kill()
    world.start_redis()


def _cut_off(world: VoteWorld, word: bytes, between: Callable[[int], object]) -> tuple[int, list[Vote]]:
    """Votes are cut off in this command of their transaction, and others are cast in the next Redis."""
    crucible = world.crucible(entries=6)
    world.keep(crucible)
    world.vote(crucible, votes=VOTES)
    world.vote(crucible, votes=1 + TOGETHER)  # the first by itself
    _die_in(world, word)
    votes = [Vote(*world.cast.counted.popitem()[0]) for _ in range(TOGETHER)]  # their judges have got no answer
    between(crucible)
    world.vote(crucible, votes=VOTES)
    return crucible, votes


def test_votes_that_were_cut_off_were_not_cast(world: VoteWorld) -> None:
    """Whatever of them comes back with the second Redis after it, and whether the first one's are drained by then.

    Their judges cast them again, and they count once.
    """

    def compared(crucible: int) -> None:
        assert world.keep(crucible) == [Comparison.VERIFIED]

    def rebuilt(crucible: int) -> None:
        with world.verification() as verification:
            verification.verifier.rebuild(crucible)

    crucibles = []
    for word, between, drained in (
        (b"XADD", compared, False),  # only the places of some in the log come back
        (b"HINCRBY", compared, False),
        (b"SADD", compared, False),
        (b"EXEC", compared, False),
        (b"EXEC", compared, True),
        (b"EXEC", rebuilt, False),
    ):
        crucible, votes = _cut_off(world, word, between)
        crucibles.append(crucible)
        if drained:
            world.drained()
        _die(world)
        came = Comparison.VERIFIED if word in {b"XADD", b"HINCRBY"} else Comparison.REBUILT
        assert (word, drained, world.keep(crucible)) == (word, drained, [came])
        again = Cast()
        assert send(world.redis, votes, again) == TOGETHER
        world.cast.counted |= again.counted
        assert not any(one.repeated for one in again.counted.values())
    world.drained()

    assert verdict(world, *crucibles) == []


def test_a_freeze_that_was_cut_off_froze_nothing(world: VoteWorld) -> None:
    """Votes that were cast in the next Redis are not behind it, and go on in the one after that."""
    crucible = world.crucible(entries=6)
    world.keep(crucible)
    assert freeze(world.redis, crucible, node_identity(world.redis, keys.elo(crucible))) == (1, 0)
    _die_in(world, b"EXEC")
    for _ in range(2):
        assert world.keep(crucible) == [Comparison.VERIFIED]
        assert world.vote(crucible, votes=VOTES) == VOTES
        _die(world)


def test_uncounted_it_shows(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what came back of it stays in the ratings, and no other vote moved them so."""
    monkeypatch.setattr(ClosedState, "adds_up", True)
    crucible, _ = _cut_off(world, b"EXEC", world.keep)
    _die(world)
    assert world.keep(crucible) == [Comparison.VERIFIED]
    world.drained()

    assert verdict(world, crucible) != []
