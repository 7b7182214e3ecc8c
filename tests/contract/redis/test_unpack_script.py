"""Outcomes that a rebuild has packed count as they are, and come back as fields, a block at a time."""

from itertools import combinations

import pytest
import redis

from stack import Stack
from tests.contract.redis.arena import CRUCIBLE, FENCE, Arena
from tests.packed import judged_text, pack
from watcher.model.vote import VoteOutcome, VoteRefusal, pair_field
from watcher.redis import keys
from watcher.redis.crucible_lock import CrucibleLockLostError
from watcher.redis.locked_crucible import LockedCrucible
from watcher.redis.outcomes import PACKED, unpack_command

JUDGE = 7
ENTRIES = tuple(range(1, 12))
NAME = keys.judged(CRUCIBLE, JUDGE)


@pytest.fixture
def arena(client: redis.Redis) -> Arena:
    """A crucible with eleven entries."""
    return Arena(client, entries=ENTRIES)


def packed(client: redis.Redis, pairs: list[tuple[int, int]], blocks: int) -> dict[str, str]:
    """Outcomes of pairs, the first of each preferred, written as a rebuild does; returns them by field."""
    came = {
        pair_field(one, other): judged_text(one, VoteOutcome(1516, 1484, 16, 2, seq, 1_760_000_000_000, repeated=False))
        for seq, (one, other) in enumerate(pairs, 1)
    }
    pack(client, NAME, came, blocks)
    return came


def unpack(client: redis.Redis) -> int:
    """Unpack them all; returns in how many calls."""
    calls = 1
    while client.execute_command(*unpack_command(NAME)):  # type: ignore[no-untyped-call]
        calls += 1
    return calls


@pytest.mark.parametrize("blocks", [1, 3, 7])
def test_a_packed_pair_is_judged(arena: Arena, blocks: int) -> None:
    """Its repeat is answered as the vote was, its reverse is refused, and neither writes anything."""
    pairs = [pair for pair in combinations(ENTRIES, 2) if pair != (3, 11)]
    packed(arena.client, pairs, blocks)
    before = arena.client.hgetall(NAME)
    answers = [arena.vote(JUDGE, *pair) for pair in pairs]

    assert answers == [
        VoteOutcome(1516, 1484, 16, 2, seq, 1_760_000_000_000, repeated=True) for seq in range(1, len(pairs) + 1)
    ]
    assert {arena.vote(JUDGE, other, one) for one, other in pairs} == {VoteRefusal.JUDGED_OTHERWISE}
    assert arena.client.hgetall(NAME) == before
    assert arena.vote(JUDGE, 11, 3) == VoteOutcome(1516, 1484, 16, 1, 1, arena.log()[0].ms, repeated=False)


def test_without_the_number_of_blocks_a_packed_pair_counts_again(arena: Arena) -> None:
    """The control: it is by this field that the vote's script knows of them."""
    packed(arena.client, [(1, 2)], 1)
    arena.client.hdel(NAME, PACKED)

    assert arena.vote(JUDGE, 1, 2).repeated is False  # type: ignore[union-attr]


@pytest.mark.parametrize("blocks", [1, 3, 7])
def test_every_pair_gets_its_field_a_block_a_call(client: redis.Redis, blocks: int) -> None:
    """Beside those that were judged since; afterwards nothing tells that they were packed."""
    pairs = list(combinations(ENTRIES, 2))[1:]
    outcomes = packed(client, pairs, blocks)
    client.hset(NAME, "1:2", "1:3:1:1516:1484:1760000000000:16")

    assert unpack(client) == blocks
    assert client.hgetall(NAME) == {"1:2": "1:3:1:1516:1484:1760000000000:16", **outcomes}
    assert unpack(client) == 1


def test_a_half_unpacked_judge_has_judged_all(arena: Arena) -> None:
    """Whoever unpacks may die between two blocks: what is packed still counts, and the next one goes on."""
    pairs = list(combinations(ENTRIES, 2))
    outcomes = packed(arena.client, pairs, 3)
    arena.client.execute_command(*unpack_command(NAME))  # type: ignore[no-untyped-call]

    assert all(arena.vote(JUDGE, *pair).repeated for pair in pairs)  # type: ignore[union-attr]
    unpack(arena.client)
    assert arena.client.hgetall(NAME) == outcomes


def test_a_block_of_any_size_is_unpacked(client: redis.Redis) -> None:
    """Sums of pairs may all fall into one block; Lua hands over some thousand values at once at most."""
    outcomes = packed(client, [(one, one + 3 * 7_000) for one in range(3, 3 * 6_000, 3)], 3)
    unpack(client)

    assert client.hgetall(NAME) == outcomes


def test_a_judge_without_packed_outcomes_stays_as_he_is(client: redis.Redis) -> None:
    """Also one who has never voted: no key appears."""
    assert unpack(client) == 1
    assert client.exists(NAME) == 0


def test_only_the_verifier_writes_outcomes(server: Stack, client: redis.Redis) -> None:
    """A verifier that was away for too long writes nothing over what judges have done since."""
    command = b"*4\r\n$4\r\nHSET\r\n$%d\r\n%s\r\n$6\r\npacked\r\n$1\r\n1\r\n" % (len(NAME), NAME.encode())
    client.set(keys.verifier_lock(CRUCIBLE), FENCE)
    with redis.Redis.from_url(server.redis.url) as other:
        LockedCrucible(other, CRUCIBLE, FENCE).write_judged(command, [JUDGE])
        assert client.smembers(keys.judges(CRUCIBLE)) == {str(JUDGE)}
        with pytest.raises(CrucibleLockLostError):
            LockedCrucible(other, CRUCIBLE, "somebody else").write_judged(command, [JUDGE + 1])

    assert client.hgetall(NAME) == {"packed": "1"}
    assert client.smembers(keys.judges(CRUCIBLE)) == {str(JUDGE)}
