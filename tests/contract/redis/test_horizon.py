"""What was said before a crucible was compared is no news afterwards, whatever Redis has heard of it."""

from collections.abc import Iterator

import pytest
import redis

from stack import Stack
from tests.contract.redis.rows import apply, shown, state
from watcher.model.effects import CrucibleGone, EntryGone, EntryState, EntryVerdict
from watcher.redis import keys
from watcher.redis.locked_crucible import LockedCrucible, lock_crucible
from watcher.redis.present import doubt

CRUCIBLE = 42
FENCE = "0123456789abcdef:fedcba9876543210"
FIELDS = state(CRUCIBLE).fields()
CREATED_MS = 1_760_000_000_000
BEFORE, HORIZON, AFTER = 100, 200, 300
MARK = keys.mark(1, HORIZON)
ENTRY = EntryState(CRUCIBLE, 1, 7, 5, CREATED_MS)


@pytest.fixture
def locked(client: redis.Redis, server: Stack) -> Iterator[LockedCrucible]:
    """An absent crucible at a verifier's; its answers stay bytes, as the watcher's."""
    with redis.Redis.from_url(server.redis.url) as plain, lock_crucible(plain, CRUCIBLE, {}) as one:
        assert one is not None
        yield one


def fence(client: redis.Redis) -> object:
    return client.hget(keys.state(CRUCIBLE), "fence")


def built(locked: LockedCrucible, horizon: str = "", unsure: str = "") -> None:
    """Build it without entries, because PostgreSQL has none."""
    locked.open(2, FENCE, locked.close(horizon, unsure), keys.mark(1, 0), FIELDS, votes_before=0)


def test_a_creation_that_comes_after_its_deletion_was_told_shows_nothing(
    client: redis.Redis, locked: LockedCrucible
) -> None:
    """The deletion came while the crucible was absent, from another partition, and left no mark."""
    apply(client, [(BEFORE + 1, EntryGone(CRUCIBLE, 1))])
    built(locked, MARK)

    assert apply(client, [(BEFORE, ENTRY)]) == [0, 1]
    assert shown(client, CRUCIBLE).entries == shown(client, CRUCIBLE).ratings == {}
    assert fence(client) == FENCE


def test_without_a_horizon_it_is_shown_for_good(client: redis.Redis, locked: LockedCrucible) -> None:
    """The control."""
    apply(client, [(BEFORE + 1, EntryGone(CRUCIBLE, 1))])
    built(locked)

    assert apply(client, [(BEFORE, ENTRY)]) == [1, 0]


def test_what_comes_between_closing_and_opening_is_held_to_it_too(client: redis.Redis, locked: LockedCrucible) -> None:
    """The verifier reads the rows in between."""
    closed = locked.close(MARK)

    assert apply(client, [(BEFORE, ENTRY), (BEFORE, EntryVerdict(CRUCIBLE, 1, 5, takes_part=True))]) == [0, 2]
    assert closed.epoch == 0


def test_older_rows_of_the_crucible_and_of_verdicts_are_no_news_either(
    client: redis.Redis, locked: LockedCrucible
) -> None:
    """A status that was long left would stop votes, and a verdict let an entry in that was thrown out."""
    built(locked, MARK)
    stale = apply(client, [(BEFORE, CrucibleGone(CRUCIBLE)), (BEFORE, EntryVerdict(CRUCIBLE, 1, 5, takes_part=True))])

    assert stale == [0, 2]
    assert client.hget(keys.state(CRUCIBLE), "status") == "Active"


def test_an_older_row_of_an_entry_that_is_shown_is_no_news(client: redis.Redis, locked: LockedCrucible) -> None:
    """Its image was another one when it was created."""
    apply(client, [(1, state(CRUCIBLE))])
    client.hset(keys.entries(CRUCIBLE), "1", keys.entry_text(keys.mark(1, 0), ENTRY))
    built(locked, MARK)
    apply(client, [(BEFORE, EntryState(CRUCIBLE, 1, 7, 99, CREATED_MS))])

    assert shown(client, CRUCIBLE).entries[1]["image"] == ENTRY.image_id


@pytest.mark.parametrize(("position", "history"), [(HORIZON, 1), (AFTER, 1), (BEFORE, 2)])
def test_what_comes_from_behind_the_horizon_is_news(
    client: redis.Redis, locked: LockedCrucible, position: int, history: int
) -> None:
    """The first record that was not written when the log's end was asked for, and whatever a younger history says."""
    built(locked, MARK)
    apply(client, [(position, ENTRY)], history=history)

    assert list(shown(client, CRUCIBLE).ratings) == [1]
    assert fence(client) == FENCE


def test_where_it_is_not_sure_the_row_is_shown_and_the_crucible_compared(
    client: redis.Redis, locked: LockedCrucible
) -> None:
    """Somebody was writing when the log's end was asked for: the row may be theirs, and PostgreSQL is asked again."""
    built(locked, unsure=MARK)
    answers = apply(client, [(BEFORE, ENTRY)])

    assert answers == [1, 0]
    assert fence(client) is None
    assert apply(client, [(BEFORE, ENTRY)]) == [0, 1], "again it is no news, and no reason to compare"


def test_a_doubt_that_comes_meanwhile_outlasts_the_opening(client: redis.Redis, locked: LockedCrucible) -> None:
    """The verifier may have read the rows before."""
    closed = locked.close(unsure=MARK)
    apply(client, [(BEFORE, ENTRY)])
    locked.open(2, FENCE, closed, keys.mark(1, 0), FIELDS, votes_before=0)
    assert fence(client) is None
    built_anew = LockedCrucible(locked.client, CRUCIBLE, locked.token)
    client.set(keys.verifier_lock(CRUCIBLE), locked.token)
    built(built_anew, MARK)

    assert fence(client) == FENCE


def test_a_field_that_is_no_id_is_no_entry(client: redis.Redis, locked: LockedCrucible) -> None:
    """Whoever has put it there, a verifier that stumbled over it would end the process, and the next one."""
    apply(client, [(1, state(CRUCIBLE)), (2, ENTRY), (3, EntryGone(CRUCIBLE, 2))])
    client.hset(keys.entries(CRUCIBLE), mapping={"of a test": "x", "-1": "x", "": "x"})

    assert locked.held() == ({1}, {2: keys.mark(1, 3)})


@pytest.mark.parametrize("held", [keys.mark(1, AFTER), "-", keys.mark(2, 1)])
@pytest.mark.parametrize("field", ["horizon", "unsure"])
def test_one_that_the_log_has_not_reached_is_none(
    client: redis.Redis, locked: LockedCrucible, field: str, held: str
) -> None:
    """Nothing that comes would be news, or each of it a reason to compare; also where this one's end is not sure."""
    apply(client, [(1, state(CRUCIBLE))])
    client.hset(keys.state(CRUCIBLE), field, held)
    built(locked, unsure=MARK)
    client.hset(keys.state(CRUCIBLE), "fence", FENCE)

    assert apply(client, [(HORIZON, ENTRY)]) == [1, 0]
    assert fence(client) == FENCE


def test_a_crucible_in_doubt_takes_no_votes_and_an_absent_one_stays_absent(
    client: redis.Redis, locked: LockedCrucible
) -> None:
    """A doubt must not make a crucible present that nobody has built."""
    built(locked)
    doubt(client, [CRUCIBLE, CRUCIBLE + 1])

    assert fence(client) is None
    assert not client.exists(keys.state(CRUCIBLE + 1))
