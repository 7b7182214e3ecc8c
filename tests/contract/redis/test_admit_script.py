"""Verdicts on entries, on a real Redis."""

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.redis.rows import apply, state
from watcher.model.effects import EntryGone, EntryState
from watcher.model.row_state import KEEP_FINISHED_SECONDS
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, PlacementChange, admit_command, effects

CRUCIBLE = 42


def image(entry: int) -> int:
    return 1_000 + entry


@pytest.fixture
def stage(client: redis.Redis) -> redis.Redis:
    """A crucible with entries 1 to 5, none of them admitted."""
    client.script_load(ADMIT.text)
    rows = [(2, EntryState(CRUCIBLE, entry, 900, image(entry), entry)) for entry in range(1, 6)]
    apply(client, [(1, state(CRUCIBLE)), *rows])
    return client


def admit(client: redis.Redis, *placements: Placement) -> list[PlacementChange]:
    return effects(client.execute_command(*admit_command(CRUCIBLE, placements)))


def held(client: redis.Redis) -> dict[int, int]:
    """Entry -> level; checks that admission, pools and standings tell the same."""
    admitted = {int(entry): int(level) for entry, level in client.hgetall(keys.admitted(CRUCIBLE)).items()}  # type: ignore[union-attr]
    pools = {
        int(str(entry)): level
        for level in range(1, 32)
        for entry in client.smembers(keys.pool(CRUCIBLE, level))  # type: ignore[union-attr]
    }
    standings = client.zrange(keys.standings(CRUCIBLE), 0, -1, withscores=True)
    assert pools == admitted
    assert {member for member, _ in standings} == {keys.standing(entry, entry) for entry in admitted}  # type: ignore[union-attr]
    for member, score in standings:  # type: ignore[union-attr]
        assert -score == int(str(client.hget(keys.elo(CRUCIBLE), str(int(str(member)[-10:])))))
    return admitted


def test_an_entry_is_admitted_moved_and_removed(stage: redis.Redis) -> None:
    """Each placement says what it changed; the same one again changes nothing."""
    assert admit(stage, Placement(1, 1, image(1)), Placement(2, 4, image(2))) == [
        PlacementChange.ADMITTED,
        PlacementChange.ADMITTED,
    ]
    assert held(stage) == {1: 1, 2: 4}
    assert admit(stage, Placement(1, 1, image(1)), Placement(2, 2, image(2))) == [
        PlacementChange.SAME,
        PlacementChange.MOVED,
    ]
    assert held(stage) == {1: 1, 2: 2}
    assert admit(stage, Placement(2, 0, image(2)), Placement(3, 0, image(3))) == [
        PlacementChange.REMOVED,
        PlacementChange.SAME,
    ]
    assert held(stage) == {1: 1}


def test_an_entry_comes_back_with_the_rating_that_it_had(stage: redis.Redis) -> None:
    """Being hidden for a while costs no points."""
    stage.hset(keys.elo(CRUCIBLE), "1", 1_532)
    admit(stage, Placement(1, 1, image(1)))
    admit(stage, Placement(1, 0, image(1)))

    admit(stage, Placement(1, 1, image(1)))

    assert stage.zrange(keys.standings(CRUCIBLE), 0, -1, withscores=True) == [(keys.standing(1, 1), -1_532.0)]


def test_a_verdict_is_about_an_image(stage: redis.Redis) -> None:
    """Whoever swaps the image of an admitted entry has to be admitted again, and an old placement does not do it."""
    admit(stage, Placement(1, 1, image(1)))
    apply(stage, [(3, EntryState(CRUCIBLE, 1, 900, 77, 1))])

    assert admit(stage, Placement(1, 1, image(1))) == [PlacementChange.UNKNOWN]
    assert held(stage) == {}
    assert admit(stage, Placement(1, 8, 77)) == [PlacementChange.ADMITTED]
    assert held(stage) == {1: 8}


def test_entries_that_are_not_there_are_not_admitted(stage: redis.Redis) -> None:
    """Their rows are on their way, or gone; an absent crucible stays absent."""
    apply(stage, [(3, EntryGone(CRUCIBLE, 2))])

    assert admit(stage, Placement(2, 1, image(2)), Placement(99, 1, image(99))) == [
        PlacementChange.UNKNOWN,
        PlacementChange.UNKNOWN,
    ]
    assert held(stage) == {}

    stage.flushall()
    stage.script_load(ADMIT.text)

    assert admit(stage, Placement(1, 1, image(1))) == []
    assert stage.keys() == []


def test_what_is_admitted_late_expires_with_its_crucible(stage: redis.Redis) -> None:
    """Nothing outlives a finished crucible."""
    admit(stage, Placement(1, 1, image(1)))
    apply(stage, [(3, state(CRUCIBLE, "Completed"))])

    admit(stage, Placement(2, 2, image(2)))

    kept = list(stage.scan_iter("*crucible:42:elo*"))
    assert len(kept) > 1
    for key in kept:
        assert 0 < stage.ttl(key) <= KEEP_FINISHED_SECONDS, key  # type: ignore[operator]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0, 1, 2, 3, 31])), max_size=30), st.integers(1, 5))
def test_the_last_verdict_on_each_entry_holds(stage: redis.Redis, given_: list[tuple[int, int]], cut: int) -> None:
    """However placements are grouped into calls, and whatever was before."""
    for entry in range(1, 6):
        admit(stage, Placement(entry, 0, image(entry)))
    for at in range(0, len(given_), cut):
        admit(stage, *(Placement(entry, level, image(entry)) for entry, level in given_[at : at + cut]))

    assert held(stage) == {entry: level for entry, level in dict(given_).items() if level and entry <= 5}
