"""The draw, on a real Redis."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
import redis

from stack import Stack
from tests.contract.redis.rows import apply, state
from watcher.model.effects import EntryState
from watcher.model.visibility import ALL_LEVELS
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, admit_command
from watcher.redis.draw import DRAW, Drawn, draw_command, drawn
from watcher.redis.open_pairs import met_field

CRUCIBLE, JUDGE = 42, 7


@pytest.fixture
def raw(server: Stack) -> Iterator[redis.Redis]:
    """An empty Redis, whose answers stay bytes."""
    with redis.Redis.from_url(server.redis.url) as opened:
        opened.flushall()
        opened.script_load(DRAW.text)
        opened.script_load(ADMIT.text)
        yield opened


def stage(
    raw: redis.Redis, levels: dict[int, int], *, level: int = ALL_LEVELS, owners: dict[int, int] | None = None
) -> None:
    """A crucible whose entries have images of these levels."""
    entries = [
        (2, EntryState(CRUCIBLE, entry, (owners or {}).get(entry, 900), 1_000 + entry, entry)) for entry in levels
    ]
    apply(raw, [(1, state(CRUCIBLE, nsfw_level=level, start_at=1_000, end_at=None)), *entries])
    placements = [Placement(entry, exact, 1_000 + entry) for entry, exact in levels.items()]
    raw.execute_command(*admit_command(CRUCIBLE, placements))


def draw(raw: redis.Redis, *, mask: int = ALL_LEVELS, count: int = 32, top: int = 0, seed: int = 1) -> Drawn:
    """Draw for the judge."""
    command = draw_command(CRUCIBLE, user_id=JUDGE, mask=mask, count=count, top=top, seed=seed)
    found = drawn(raw.execute_command(*command))
    assert found is not None
    return found


def test_an_absent_crucible_has_nothing_to_draw_from(raw: redis.Redis) -> None:
    """It is told from one without entries."""
    command = draw_command(CRUCIBLE, user_id=JUDGE, mask=31, count=32, top=0, seed=1)
    assert drawn(raw.execute_command(*command)) is None

    stage(raw, {})

    assert draw(raw).entries == []


def test_a_draw_tells_of_a_freeze(raw: redis.Redis) -> None:
    """Then nothing is served, because no vote on it would count."""
    stage(raw, {1: 1, 2: 4})
    assert not draw(raw).frozen

    raw.hset(keys.state(CRUCIBLE), keys.FROZEN, "1:0")

    assert draw(raw).frozen


def test_a_draw_tells_what_the_choice_needs(raw: redis.Redis) -> None:
    """Votes, rating, image and level of each entry; times and places of the crucible."""
    stage(raw, {1: 1, 2: 4})
    raw.hset(keys.votes(CRUCIBLE), "2", 9)
    raw.hset(keys.elo(CRUCIBLE), "2", 1_516)
    raw.hset(keys.state(CRUCIBLE), mapping={"seq": 7, "before": 40})

    found = draw(raw, top=1)

    assert {(one.entry_id, one.image_id, one.votes, one.rating, one.level) for one in found.entries} == {
        (1, 1_001, 0, 1_500, 1),
        (2, 1_002, 9, 1_516, 4),
    }
    assert (found.status, found.start_ms, found.end_ms, found.visible) == ("Active", 1_000, None, 2)
    assert found.votes == 47
    seconds, micros = raw.time()  # type: ignore[misc]
    assert 0 <= seconds * 1_000 + micros // 1_000 - found.now_ms < 60_000


@pytest.mark.parametrize(
    ("mask", "crucible", "expected"),
    [
        (31, 31, {1, 2, 3, 4, 5}),
        (1, 31, {1, 3}),
        (6, 31, {2, 3, 4}),
        (31, 2, {2, 3}),
        (16, 31, {5}),
        (16, 1, set()),
        (0, 31, set()),
    ],
)
def test_only_levels_that_both_the_judge_and_the_crucible_have(
    raw: redis.Redis, mask: int, crucible: int, expected: set[int]
) -> None:
    """An image of several levels is seen with any of them; of the top too."""
    stage(raw, {1: 1, 2: 2, 3: 3, 4: 4, 5: 16})
    raw.hset(keys.state(CRUCIBLE), "level", crucible)

    found = draw(raw, mask=mask, top=10)

    assert {one.entry_id for one in found.entries} == expected
    assert {one.entry_id for one in found.top} == expected
    assert found.visible == len(expected)
    assert found.admitted == 5  # by which it is bounded how often a judge meets whom, whatever the judge wants to see


def test_a_leader_that_was_met_is_known_of_any_number_of_pairs(raw: redis.Redis) -> None:
    """Of very many a sample is looked through, which most often has no pair with it."""
    stage(raw, {1: 1, 2: 1})
    raw.hset(keys.judged(CRUCIBLE, JUDGE), mapping={f"{one}:{one + 1}": "" for one in range(1_000, 4_000)})
    raw.hset(keys.open_pairs(CRUCIBLE, JUDGE), mapping={"open": "3000:0", met_field(1): ""})

    met = {one.entry_id: one.met for one in draw(raw).entries}

    assert met == {1: 1, 2: 0}


def test_own_entries_are_left_out(raw: redis.Redis) -> None:
    """Of the draw and of the top; ``visible`` still counts them."""
    stage(raw, dict.fromkeys(range(1, 7), 1), owners={2: JUDGE, 5: JUDGE})

    found = draw(raw, top=6)

    assert {one.entry_id for one in found.entries} == {one.entry_id for one in found.top} == {1, 3, 4, 6}
    assert found.visible == 6


def test_a_small_crucible_is_drawn_whole(raw: redis.Redis) -> None:
    """That is how the caller knows that all pairs of it are all pairs there are."""
    stage(raw, {entry: 1 + entry % 3 for entry in range(1, 33)})

    assert sorted(one.entry_id for one in draw(raw, count=32).entries) == list(range(1, 33))


def test_pools_take_part_in_proportion_to_their_size(raw: redis.Redis) -> None:
    """A rare level is neither favoured nor left out, and each entry comes once at most."""
    stage(raw, {entry: 4 if entry % 5 == 0 else 1 for entry in range(1, 501)})
    chance = random.Random(1)
    drawn_levels: Counter[int] = Counter()
    times: Counter[int] = Counter()
    for _ in range(400):
        ids = [(one.entry_id, one.level) for one in draw(raw, seed=chance.getrandbits(31)).entries]
        assert len({entry for entry, _ in ids}) == len(ids) == 32
        drawn_levels.update(level for _, level in ids)
        times.update(entry for entry, _ in ids)

    assert 0.17 < drawn_levels[4] / (400 * 32) < 0.23  # 0.2 expected, standard error 0.0035
    assert len(times) == 500
    assert max(times.values()) < 60  # 25.6 expected, standard deviation 5


def test_the_top_is_the_highest_rated_that_the_judge_may_see(raw: redis.Redis) -> None:
    """Also when those are far down in the standings; the best comes first."""
    stage(raw, {entry: 16 if entry > 100 else 1 for entry in range(1, 201)})
    placements = [Placement(entry, 0, 1_000 + entry) for entry in range(1, 201)]
    raw.execute_command(*admit_command(CRUCIBLE, placements))
    raw.hset(keys.elo(CRUCIBLE), mapping={str(entry): 1_000 + entry for entry in range(1, 201)})
    back = [Placement(entry, 16 if entry > 100 else 1, 1_000 + entry) for entry in range(1, 201)]
    raw.execute_command(*admit_command(CRUCIBLE, back))

    assert [one.entry_id for one in draw(raw, top=3).top] == [200, 199, 198]
    assert [one.entry_id for one in draw(raw, mask=1, top=3).top] == [100, 99, 98]


def test_a_draw_writes_nothing(raw: redis.Redis) -> None:
    """So it may be asked of a replica, and asked again."""
    stage(raw, {1: 1, 2: 1})
    before = raw.info("persistence")["rdb_changes_since_last_save"]

    draw(raw, top=2)

    assert raw.info("persistence")["rdb_changes_since_last_save"] == before
