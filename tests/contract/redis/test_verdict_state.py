"""Verdicts in Redis: who takes part no more is out at once, whatever is said of the image, and in whichever order."""

from itertools import permutations

import pytest
import redis

from tests.contract.redis.rows import apply, shown, state
from tests.contract.redis.test_admit_script import CRUCIBLE, admit, held, image
from watcher.model.effects import EntryState, EntryVerdict
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, PlacementChange, admit_argument, admit_keys


@pytest.fixture
def stage(client: redis.Redis) -> redis.Redis:
    """A crucible with entries 1 and 2, none of them admitted."""
    client.script_load(ADMIT.text)
    rows = [(2, EntryState(CRUCIBLE, entry, 900, image(entry), entry)) for entry in (1, 2)]
    apply(client, [(1, state(CRUCIBLE)), *rows])
    return client


def verdict(entry: int, takes_part: bool) -> EntryVerdict:
    """A verdict on an entry of the stage."""
    return EntryVerdict(CRUCIBLE, entry, image(entry), takes_part)


def test_an_entry_that_is_kept_out_leaves_at_once_and_stays_out(stage: redis.Redis) -> None:
    """A look at its image from before, or after, does not bring it back."""
    admit(stage, Placement(1, 1, image(1)), Placement(2, 1, image(2)))

    assert apply(stage, [(10, verdict(1, False))]) == [1, 0]

    assert held(stage) == {2: 1}
    assert admit(stage, Placement(1, 1, image(1))) == [PlacementChange.SAME]
    assert held(stage) == {2: 1}


def test_an_entry_that_takes_part_is_shown_by_whoever_looks_at_its_image(stage: redis.Redis) -> None:
    apply(stage, [(10, verdict(1, False))])
    apply(stage, [(11, verdict(1, True))])
    assert held(stage) == {}

    assert admit(stage, Placement(1, 4, image(1))) == [PlacementChange.ADMITTED]
    assert held(stage) == {1: 4}


@pytest.mark.parametrize("order", list(permutations([(10, False), (11, True), (12, False)])))
def test_the_latest_verdict_holds_whenever_it_comes(stage: redis.Redis, order: tuple[tuple[int, bool], ...]) -> None:
    for lsn, takes_part in (*order, *order):
        apply(stage, [(lsn, verdict(1, takes_part))])

    assert stage.hget(keys.verdicts(CRUCIBLE), "1") == keys.mark(1, 12) + "0"
    assert admit(stage, Placement(1, 1, image(1))) == [PlacementChange.SAME]
    assert held(stage) == {}


def test_a_verdict_may_come_before_its_entry(client: redis.Redis) -> None:
    """They travel through topics of their own."""
    client.script_load(ADMIT.text)
    apply(client, [(1, state(CRUCIBLE)), (10, verdict(1, False))])
    apply(client, [(2, EntryState(CRUCIBLE, 1, 900, image(1), 1))])

    assert admit(client, Placement(1, 1, image(1))) == [PlacementChange.SAME]
    assert held(client) == {}


def test_of_an_absent_crucible_nothing_is_written(client: redis.Redis) -> None:
    assert apply(client, [(10, verdict(1, True))]) == [0, 0]
    assert client.keys("*") == []


@pytest.mark.parametrize("first", ["end", "verdict"])
def test_verdicts_expire_with_their_crucible(stage: redis.Redis, first: str) -> None:
    changes = [[(20, state(CRUCIBLE, "Completed"))], [(21, verdict(1, True))]]

    for change in changes if first == "end" else changes[::-1]:
        apply(stage, change)

    assert shown(stage, CRUCIBLE).expires


def test_a_weakened_script_lets_a_rejected_entry_back_in(stage: redis.Redis) -> None:
    """The negative control: without the look at the verdict, an older look at the image undoes it."""
    weak = ADMIT.text.replace("if verdict and", "if false and")
    assert weak != ADMIT.text
    apply(stage, [(10, verdict(1, False))])

    stage.eval(weak, 5, *admit_keys(CRUCIBLE), admit_argument([Placement(1, 1, image(1))]))

    assert held(stage) == {1: 1}
