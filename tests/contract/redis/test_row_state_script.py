"""The script that shows rows in Redis: whatever is delivered again, late or out of order, the latest row is shown."""

import random

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.redis.rows import Change, Shown, apply, contents, expected, folded, shown, state
from watcher.changes.memory_sinks import MemoryStates
from watcher.model.effects import CrucibleGone, CrucibleState, EntryGone, EntryState
from watcher.model.row_state import KEEP_FINISHED_SECONDS
from watcher.redis import keys
from watcher.redis.ending import end_judges
from watcher.redis.scripts import ROW_STATE
from watcher.redis.sink import RedisSink, row_keys

A, B = 42, 43
ELO, STATE, ENTRIES = row_keys(A)
VOTES, STANDINGS, ADMITTED = keys.votes(A), keys.standings(A), keys.admitted(A)
SCRIPT = ROW_STATE.text
CREATED_MS = 1_760_000_000_000


def entry(entry_id: int, image: int = 5, crucible_id: int = A, created: int = CREATED_MS) -> EntryState:
    return EntryState(crucible_id, entry_id, 7, image, created)


def admit(client: redis.Redis, entry_id: int, level: int = 1) -> None:
    """Show an entry to judges, at the rating that it has."""
    client.hset(ADMITTED, str(entry_id), str(level))
    client.sadd(keys.pool(A, level), entry_id)
    client.zadd(STANDINGS, {keys.standing(CREATED_MS, entry_id): -int(str(client.hget(ELO, str(entry_id))))})


def judged(client: redis.Redis) -> tuple[dict[str, str], list[set[str]], list[tuple[str, float]]]:
    """What judges are shown: levels, pools of level 1 and 4, standings."""
    return (
        client.hgetall(ADMITTED),  # type: ignore[return-value]
        [client.smembers(keys.pool(A, level)) for level in (1, 4)],  # type: ignore[misc]
        client.zrange(STANDINGS, 0, -1, withscores=True),
    )


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


def births(log: list[Change]) -> list[Change]:
    """The first row of each crucible."""
    first: dict[int, Change] = {}
    for change in log:
        if isinstance(change[1], CrucibleState):
            first.setdefault(change[1].crucible_id, change)
    return list(first.values())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=histories(), shuffle=st.randoms(use_true_random=False), repeats=st.integers(1, 3), poll=st.integers(1, 6))
def test_any_delivery_shows_the_latest_rows(
    client: redis.Redis, log: list[Change], shuffle: random.Random, repeats: int, poll: int
) -> None:
    """Each change once or three times, in any order, in polls of any size: Redis shows the same.

    But for the first row of each crucible, which comes first: of an absent one nothing is shown.
    """
    client.flushall()
    delivered = log * repeats
    shuffle.shuffle(delivered)
    apply(client, births(log))

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
    before = contents(client)
    shuffled = list(log)
    again.shuffle(shuffled)

    assert apply(client, shuffled) == [0, len(log)]
    assert contents(client) == before


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=histories(), shuffle=st.randoms(use_true_random=False), poll=st.integers(1, 6))
def test_the_sink_in_memory_answers_like_this_one(
    client: redis.Redis, log: list[Change], shuffle: random.Random, poll: int
) -> None:
    """Whoever tries something out without Redis sees what Redis would have shown, called stale, or lacked."""
    client.flushall()
    sink, memory, delivered = RedisSink(client), MemoryStates(), log * 2
    shuffle.shuffle(delivered)

    for first in range(0, len(delivered), poll):
        some = delivered[first : first + poll]
        assert memory.apply(folded(some), 1) == sink.apply(folded(some), 1)

    assert memory.living == {(crucible, one) for crucible in (A, B) for one in shown(client, crucible).entries}


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
def test_an_entry_that_returns_goes_on_where_its_votes_left_it(client: redis.Redis, polls: int) -> None:
    """Its votes are in the log and in ClickHouse, and a replay of them has it at 1600, whatever became of its row."""
    back: list[Change] = [(300, EntryGone(A, 1)), (400, entry(1))]
    apply(client, [(100, state(A)), (200, entry(1))])
    client.hset(ELO, "1", "1600")
    client.hset(VOTES, "1", "9")

    for first in range(0, 2, 2 // polls):
        apply(client, back[first : first + 2 // polls])

    assert shown(client, A).ratings == {1: 1600}
    assert client.hget(VOTES, "1") == "9"
    assert not client.exists(keys.left(A))


def test_an_entry_without_votes_that_returns_begins_anew(client: redis.Redis) -> None:
    """Nothing is kept of one that nobody has voted on."""
    apply(client, [(100, state(A)), (200, entry(1))])

    apply(client, [(300, EntryGone(A, 1))])

    assert not client.exists(keys.left(A))
    apply(client, [(400, entry(1))])
    assert shown(client, A).ratings == {1: 1500}


def test_an_unfinished_crucibles_row_makes_it_present(client: redis.Redis) -> None:
    """Its votes begin at number one of the first epoch; nobody has verified it, so it takes none yet."""
    apply(client, [(100, state(A))])

    assert client.hmget(STATE, "epoch", "seq", "fence") == ["1", "0", None]


def test_a_row_leaves_alone_what_is_not_of_the_row(client: redis.Redis) -> None:
    """Numbers of votes and the fence are others' to write."""
    apply(client, [(100, state(A))])
    client.hset(STATE, mapping={"epoch": 3, "seq": 9, "fence": "f"})

    apply(client, [(200, state(A, name="another")), (300, state(A, "Completed"))])

    assert client.hmget(STATE, "epoch", "seq", "fence") == ["3", "9", "f"]


@pytest.mark.parametrize("row", [state(A, "Completed"), state(A, "Cancelled"), CrucibleGone(A)])
def test_a_finished_crucible_is_not_brought_back(client: redis.Redis, row: CrucibleState | CrucibleGone) -> None:
    """It is shown from PostgreSQL; so are its entries."""
    assert apply(client, [(100, row), (200, entry(1))]) == [0, 0]
    assert client.keys("*") == []


def test_entries_of_an_absent_crucible_are_not_written(client: redis.Redis) -> None:
    """They are once their crucible is there, also when one poll brings both."""
    assert apply(client, [(200, entry(1))]) == [0, 0]
    assert client.keys("*") == []

    assert apply(client, [(200, entry(1)), (100, state(A))]) == [2, 0]
    assert shown(client, A).ratings == {1: 1500}


def test_an_entry_that_goes_is_no_longer_judged(client: redis.Redis) -> None:
    """Neither drawn nor ranked; its neighbour stays."""
    apply(client, [(100, state(A)), (200, entry(1)), (200, entry(2))])
    admit(client, 1, level=4)
    admit(client, 2)

    apply(client, [(300, EntryGone(A, 1))])

    assert judged(client) == ({"2": "1"}, [{"2"}, set()], [(keys.standing(CREATED_MS, 2), -1500)])


def test_another_image_has_to_be_admitted_again(client: redis.Redis) -> None:
    """What was admitted was the old one. The rating stays."""
    apply(client, [(100, state(A)), (200, entry(1))])
    admit(client, 1, level=4)
    client.hset(ELO, "1", "1532")

    apply(client, [(300, entry(1, image=6))])

    assert judged(client) == ({}, [set(), set()], [])
    assert shown(client, A).ratings == {1: 1532}


def test_another_time_moves_an_entry_among_its_equals(client: redis.Redis) -> None:
    """It stays admitted, at its rating."""
    apply(client, [(100, state(A)), (200, entry(1))])
    client.hset(ELO, "1", "1532")
    admit(client, 1)

    apply(client, [(300, entry(1, created=CREATED_MS + 5))])

    assert judged(client) == ({"1": "1"}, [{"1"}, set()], [(keys.standing(CREATED_MS + 5, 1), -1532)])


def test_the_same_row_again_leaves_an_entry_admitted(client: redis.Redis) -> None:
    """A newer change that says the same, as a snapshot's row does."""
    apply(client, [(100, state(A)), (200, entry(1))])
    admit(client, 1)
    before = judged(client)

    apply(client, [(300, entry(1))])

    assert judged(client) == before


def test_everything_of_a_finished_crucible_expires(client: redis.Redis) -> None:
    """Also what votes and admission have written, and what each judge has judged; and stays if it goes on."""
    apply(client, [(100, state(A)), (200, entry(1)), (200, entry(2))])
    for one, level in ((1, 1), (2, 31)):
        admit(client, one, level)
    client.hset(VOTES, mapping={"1": 1, "2": 1})
    client.xadd(keys.log(A), {"w": 1}, "1-1")
    judges = range(1, 2_001)
    client.sadd(keys.judges(A), *judges)
    for user in judges:
        client.hset(keys.judged(A, user), "1:2", "1:1:1:1516:1484:0:16")
    names = client.keys("*")
    assert len(names) == 3 + 5 + 2 + len(judges)  # type: ignore[arg-type]

    apply(client, [(300, state(A, "Completed"))])
    end_judges(client, A)
    assert all(0 < client.ttl(name) <= KEEP_FINISHED_SECONDS for name in names)  # type: ignore[operator,union-attr]

    apply(client, [(400, state(A))])
    assert all(client.ttl(name) == -1 for name in names)  # type: ignore[union-attr]


@pytest.mark.parametrize("row", [state(A, "Completed", name="another"), state(A, "Cancelled"), CrucibleGone(A)])
def test_the_week_of_a_finished_crucible_begins_once(client: redis.Redis, row: CrucibleState | CrucibleGone) -> None:
    """Rows of it that come later are shown, and give nothing more time."""
    apply(client, [(100, state(A)), (200, entry(1)), (300, state(A, "Completed"))])
    for name in client.keys("*"):  # type: ignore[union-attr]
        client.expire(name, 1_000)

    assert apply(client, [(400, row)]) == [1, 0]
    assert shown(client, A).parts == {name: row.fields()[name] for name in ("status", "start", "end", "level")}
    assert all(0 < client.ttl(name) <= 1_000 for name in client.keys("*"))  # type: ignore[operator,union-attr]


def test_rows_are_written_as_python_writes_them(client: redis.Redis) -> None:
    """A rebuild writes entries and state from Python; scripts read both."""
    own, one = state(A, end_at=None), entry(1, created=-5)
    apply(client, [(100, own), (200, one)], history=3)

    assert client.hget(ENTRIES, "1") == keys.entry_text(keys.mark(3, 200), one)
    assert client.hgetall(STATE) == {"mark": keys.mark(3, 100), **own.fields(), "epoch": "1", "seq": "0"}


def test_a_finished_crucible_expires_with_all_it_has(client: redis.Redis) -> None:
    """Within its week; an entry's row that comes late lives no longer than the rest."""
    apply(client, [(100, state(A)), (200, entry(1)), (300, state(A, "Completed"))])
    apply(client, [(250, entry(2))])

    assert shown(client, A).expires
    assert 0 < client.ttl(ELO) <= KEEP_FINISHED_SECONDS  # type: ignore[operator]


@pytest.mark.parametrize("end", [state(A, "Completed"), CrucibleGone(A)])
def test_what_changes_after_the_end_expires_too(client: redis.Redis, end: CrucibleState | CrucibleGone) -> None:
    """Entries with votes go, move among their equals, or come back: what is written of that is new, and has a week."""
    apply(client, [(100, state(A)), (200, entry(1)), (200, entry(2))])
    admit(client, 1)
    client.hset(VOTES, mapping={"1": 4, "2": 4})

    for change in (
        (300, end),
        (301, entry(1, created=CREATED_MS + 5)),  # the only one in the standings leaves them, and comes back elsewhere
        (302, EntryGone(A, 1)),
        (303, EntryGone(A, 2)),  # nobody has votes now, and so there is no such key
    ):
        apply(client, [change])
        assert shown(client, A).expires
    assert client.hgetall(keys.left(A)) == {"1": "1500:4", "2": "1500:4"}

    apply(client, [(304, entry(1))])
    assert client.hgetall(VOTES) == {"1": "4"}
    assert shown(client, A).expires


def test_a_crucible_that_is_set_back_to_active_stays(client: redis.Redis) -> None:
    """A moderator may do that; nothing of it may vanish after a week."""
    apply(client, [(100, state(A)), (200, entry(1)), (300, state(A, "Completed")), (400, state(A))])

    assert not shown(client, A).expires


@pytest.mark.parametrize("later_first", [False, True])
def test_a_younger_history_wins_over_any_position(client: redis.Redis, later_first: bool) -> None:
    """After a restore log positions begin lower; the number of the history comes first."""
    old, new = ([(2**53 - 1, entry(1, image=5))], 1), ([(10, entry(1, image=6))], 2)
    apply(client, [(1, state(A))])

    for changes, history in (new, old) if later_first else (old, new):
        apply(client, changes, history=history)  # type: ignore[arg-type]

    assert shown(client, A).entries[1]["image"] == 6


def test_positions_are_compared_as_numbers_of_any_length(client: redis.Redis) -> None:
    """9 is before 10, and 2^53 - 1 is not rounded to its neighbour."""
    apply(client, [(1, state(A)), (9, entry(1, image=1)), (10, entry(1, image=2))])
    assert shown(client, A).entries[1]["image"] == 2

    apply(client, [(2**53 - 2, entry(1, image=3))])
    apply(client, [(2**53 - 1, entry(1, image=4))])
    assert shown(client, A).entries[1]["image"] == 4


def test_the_largest_numbers_arrive_whole(client: redis.Redis) -> None:
    """Lua's numbers are doubles and would print the largest ones as 1e+13."""
    apply(client, [(1, state(A)), (100, EntryState(A, 2**31 - 1, 2**31 - 1, 2**31 - 1, 10_413_791_999_999))])

    assert shown(client, A).entries == {
        2**31 - 1: {"user": 2**31 - 1, "image": 2**31 - 1, "created": 10_413_791_999_999}
    }


def test_thousands_of_entries_in_one_poll(client: redis.Redis) -> None:
    """More than Lua's stack takes at once, some of them twice, newer before older."""
    log: list[Change] = [(10_000 + one, entry(one)) for one in range(1, 4_501)]
    late: list[Change] = [(20_000 + one, entry(one, image=8)) for one in range(1, 4_501, 3)]

    own: Change = (1, state(A))

    assert apply(client, [own, *late, *log, *late]) == [4_501, 3_000]
    assert shown(client, A) == expected([own, *log, *late], A)


WEAKENED = {
    "an entry's mark is not compared": ("no_news(mark, shown[id])", "false"),
    "a crucible's mark is not compared": ("no_news(mark, redis.call('HGET', keys[2], 'mark') or '')", "false"),
    "a row sets the rating": ("not ratings[at] and", ""),
    "a delete leaves no mark": (
        "texts[#texts + 1] = mark .. row",
        "texts[#texts + 1] = row == '' and '' or mark .. row",
    ),
}
STORIES: dict[str, list[list[Change]]] = {
    "an entry's mark is not compared": [[(1, state(A)), (200, entry(1, image=6))], [(100, entry(1, image=5))]],
    "a crucible's mark is not compared": [[(1, state(A)), (200, state(A, "Completed"))], [(100, state(A))]],
    "a row sets the rating": [[(1, state(A)), (100, entry(1))], [(200, entry(1, image=6))]],
    "a delete leaves no mark": [[(1, state(A)), (200, EntryGone(A, 1))], [(100, entry(1))]],
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
