"""The script that shows rows in Redis: whatever is delivered again, late or out of order, the latest row is shown."""

import random

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.redis.rows import Change, Shown, apply, expected, shown, state
from watcher.model.effects import CrucibleGone, EntryGone, EntryState
from watcher.model.row_state import KEEP_FINISHED_SECONDS
from watcher.sinks.redis import SCRIPT, keys

A, B = 42, 43
ELO, STATE, ENTRIES, VOTES = keys(A)


def entry(entry_id: int, image: int = 5, crucible_id: int = A) -> EntryState:
    return EntryState(crucible_id, entry_id, 7, image, 1_760_000_000_000)


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """What PostgreSQL may do to two crucibles and three entries, with the log position of each change."""
    log: list[Change] = []
    where: dict[int, int] = {}
    there: set[int] = set()

    def write(effect: object) -> None:
        log.append((100 * (len(log) + 1), effect))  # type: ignore[arg-type]

    for crucible, one, what in draw(
        st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 3), st.integers(0, 9)), min_size=1, max_size=14)
    ):
        if crucible not in there:
            there.add(crucible)
            write(state(crucible))
        if what == 0:
            for gone in [entry_id for entry_id, home in where.items() if home == crucible]:
                write(EntryGone(where.pop(gone), gone))
            there.discard(crucible)
            write(CrucibleGone(crucible))
        elif what == 1:
            write(state(crucible, "Completed"))
        elif what == 2:
            write(state(crucible, name=f"name {len(log)}"))
        elif what == 3 and one in where:
            write(EntryGone(where.pop(one), one))
        else:
            if where.get(one, crucible) != crucible:
                write(EntryGone(where[one], one))
            where[one] = crucible
            write(entry(one, image=len(log) + 1, crucible_id=crucible))
    return log


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=histories(), shuffle=st.randoms(use_true_random=False), repeats=st.integers(1, 3), poll=st.integers(1, 6))
def test_any_delivery_shows_the_latest_rows(
    client: redis.Redis, log: list[Change], shuffle: random.Random, repeats: int, poll: int
) -> None:
    """Each change once or three times, in any order, in polls of any size: Redis shows the same."""
    client.flushall()
    delivered = log * repeats
    shuffle.shuffle(delivered)

    for first in range(0, len(delivered), poll):
        apply(client, delivered[first : first + poll])

    for crucible in (A, B):
        assert shown(client, crucible) == expected(log, crucible)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=histories(), again=st.randoms(use_true_random=False))
def test_applying_again_changes_nothing(client: redis.Redis, log: list[Change], again: random.Random) -> None:
    """Not a byte, and the script says of each row that it was too old."""
    client.flushall()
    apply(client, log)
    before = everything(client)
    shuffled = list(log)
    again.shuffle(shuffled)

    assert apply(client, shuffled) == [0, len(log)]
    assert everything(client) == before


def everything(client: redis.Redis) -> dict[str, object]:
    """Every key with what it holds, and whether it expires."""
    found = client.keys("*")
    return {str(key): (client.hgetall(str(key)), client.ttl(str(key)) != -1) for key in found}  # type: ignore[union-attr]


def test_a_rating_is_set_once_and_never_again(client: redis.Redis) -> None:
    """From the first row on it is the votes'; rows of the entry come and come again beside it."""
    apply(client, [(100, state(A)), (200, entry(1))])
    client.hset(ELO, "1", "1532")

    apply(client, [(200, entry(1)), (300, entry(1, image=6)), (400, state(A, "Completed"))])

    assert shown(client, A).ratings == {1: 1532}
    assert shown(client, A).entries[1]["image"] == 6


def test_a_deleted_entry_leaves_a_mark(client: redis.Redis) -> None:
    """So that its create, delivered late, does not bring it back; rating and votes go."""
    apply(client, [(100, state(A)), (200, entry(1))])
    client.hset(VOTES, "1", "9")
    apply(client, [(300, EntryGone(A, 1))])

    assert apply(client, [(200, entry(1))]) == [0, 1]
    assert shown(client, A).entries == shown(client, A).ratings == {}
    assert client.hget(VOTES, "1") is None
    assert client.hkeys(ENTRIES) == ["1"]


@pytest.mark.parametrize("polls", [1, 2])
def test_an_entry_that_returns_begins_anew(client: redis.Redis, polls: int) -> None:
    """Moved away and back again, its rating is a new entry's, whether one poll brought both changes or two."""
    back: list[Change] = [(300, EntryGone(A, 1)), (400, entry(1))]
    apply(client, [(100, state(A)), (200, entry(1))])
    client.hset(ELO, "1", "1600")
    client.hset(VOTES, "1", "9")

    for first in range(0, 2, 2 // polls):
        apply(client, back[first : first + 2 // polls])

    assert shown(client, A).ratings == {1: 1500}
    assert client.hget(VOTES, "1") is None


def test_entries_of_a_crucible_not_seen_yet_expire(client: redis.Redis) -> None:
    """Partitions are read side by side, so an entry may come first; it stays once its crucible has come."""
    apply(client, [(200, entry(1))])
    assert shown(client, A).expires

    apply(client, [(100, state(A))])
    assert not shown(client, A).expires
    assert shown(client, A).ratings == {1: 1500}


def test_a_finished_crucible_expires_with_all_it_has(client: redis.Redis) -> None:
    """Within its week; an entry's row that comes late lives no longer than the rest."""
    apply(client, [(100, state(A)), (200, entry(1)), (300, state(A, "Completed"))])
    apply(client, [(250, entry(2))])

    assert shown(client, A).expires
    assert 0 < client.ttl(ELO) <= KEEP_FINISHED_SECONDS  # type: ignore[operator]


def test_a_crucible_that_is_set_back_to_active_stays(client: redis.Redis) -> None:
    """A moderator may do that; nothing of it may vanish after a week."""
    apply(client, [(100, state(A)), (200, entry(1)), (300, state(A, "Completed")), (400, state(A))])

    assert not shown(client, A).expires


@pytest.mark.parametrize("later_first", [False, True])
def test_a_younger_history_wins_over_any_position(client: redis.Redis, later_first: bool) -> None:
    """After a restore log positions begin lower; the number of the history comes first."""
    old, new = ([(2**53 - 1, entry(1, image=5))], 1), ([(10, entry(1, image=6))], 2)

    for changes, history in (new, old) if later_first else (old, new):
        apply(client, changes, history=history)  # type: ignore[arg-type]

    assert shown(client, A).entries[1]["image"] == 6


def test_positions_are_compared_as_numbers_of_any_length(client: redis.Redis) -> None:
    """9 is before 10, and 2^53 - 1 is not rounded to its neighbour."""
    apply(client, [(9, entry(1, image=1)), (10, entry(1, image=2))])
    assert shown(client, A).entries[1]["image"] == 2

    apply(client, [(2**53 - 2, entry(1, image=3))])
    apply(client, [(2**53 - 1, entry(1, image=4))])
    assert shown(client, A).entries[1]["image"] == 4


def test_the_largest_numbers_arrive_whole(client: redis.Redis) -> None:
    """Lua's numbers are doubles and would print the largest ones as 1e+13."""
    apply(client, [(100, EntryState(A, 2**31 - 1, 2**31 - 1, 2**31 - 1, 10_413_791_999_999))])

    assert shown(client, A).entries == {
        2**31 - 1: {"user": 2**31 - 1, "image": 2**31 - 1, "created": 10_413_791_999_999}
    }


def test_thousands_of_entries_in_one_poll(client: redis.Redis) -> None:
    """More than Lua's stack takes at once, some of them twice, newer before older."""
    log: list[Change] = [(10_000 + one, entry(one)) for one in range(1, 4_501)]
    late: list[Change] = [(20_000 + one, entry(one, image=8)) for one in range(1, 4_501, 3)]

    assert apply(client, [*late, *log, *late]) == [4_500, 3_000]
    assert shown(client, A) == expected([*log, *late], A)


WEAKENED = {
    "an entry's mark is not compared": ("shown[id] >= mark", "false"),
    "a crucible's mark is not compared": ("shown and shown >= mark", "false"),
    "a row sets the rating": ("'HSETNX'", "'HSET'"),
    "a delete leaves no mark": (
        "redis.call('HDEL', keys[4], id)",
        "redis.call('HDEL', keys[4], id) redis.call('HDEL', keys[3], id)",
    ),
}
STORIES: dict[str, list[list[Change]]] = {
    "an entry's mark is not compared": [[(200, entry(1, image=6))], [(100, entry(1, image=5))]],
    "a crucible's mark is not compared": [[(200, state(A, "Completed"))], [(100, state(A))]],
    "a row sets the rating": [[(100, entry(1))], [(200, entry(1, image=6))]],
    "a delete leaves no mark": [[(200, EntryGone(A, 1))], [(100, entry(1))]],
}


@pytest.mark.parametrize("what", WEAKENED)
def test_each_line_of_defence_is_needed(client: redis.Redis, what: str) -> None:
    """With it the story ends well; without it Redis shows something else, so these tests can fail."""
    protection, gap = WEAKENED[what]
    assert SCRIPT.count(protection) == 1

    def end(script: str) -> Shown:
        client.flushall()
        for number, poll in enumerate(STORIES[what]):
            apply(client, poll, script=script)
            if number == 0 and client.hexists(ELO, "1"):
                client.hset(ELO, "1", "1532")  # a vote
        return shown(client, A)

    wanted = expected([change for poll in STORIES[what] for change in poll], A)
    wanted.ratings = dict.fromkeys(wanted.ratings, 1532)
    assert wanted.ratings.keys() == wanted.entries.keys()
    wanted.expires = wanted.row is None or wanted.row["status"] == "Completed"

    assert end(SCRIPT) == wanted
    assert end(SCRIPT.replace(protection, gap)) != wanted
