"""The sink in front of the script: what it answers, and that a Redis which is away is waited for."""

from collections.abc import Iterator

import pytest
import redis

from stack import Stack
from tests.contract.redis.rows import apply, folded, shown, state
from watcher.model.effects import EntryState
from watcher.model.errors import RefusedError, TemporaryError
from watcher.model.row_state import RowStates, ShownStates
from watcher.redis import keys
from watcher.redis.client import open_client
from watcher.redis.ending import ENDING, MAX_JUDGES, end_judges
from watcher.redis.scripts import ROW_STATE
from watcher.redis.sink import RedisSink

ROWS = [(100, state(42)), (200, EntryState(42, 1, 7, 5, 0)), (300, EntryState(42, 2, 7, 6, 0))]
END = (400, state(42, "Completed"))
JUDGES = range(1, 3 * MAX_JUDGES)


@pytest.fixture
def sink(server: Stack) -> Iterator[RedisSink]:
    opened = RedisSink(open_client(server.redis.url, cluster=False, timeout=1.0))
    yield opened
    opened.close()


def test_it_tells_what_was_applied_and_what_was_too_old(sink: RedisSink, client: redis.Redis) -> None:
    """Over all crucibles of the poll; nothing to show is no question to Redis."""
    assert sink.apply(RowStates(), 1) == ShownStates(0, 0)
    assert sink.apply(folded(ROWS), 1) == ShownStates(3, 0)
    assert sink.apply(folded(ROWS), 1) == ShownStates(0, 3)
    assert shown(client, 42).ratings == {1: 1500, 2: 1500}


def test_it_names_crucibles_that_redis_does_not_hold(sink: RedisSink, client: redis.Redis) -> None:
    """Each once, though many of their entries came; the other crucibles of the poll are shown."""
    strangers = [(400 + one, EntryState(43 + one % 2, one, 7, 5, 0)) for one in range(10)]

    assert sink.apply(folded([*ROWS, *strangers]), 1) == ShownStates(3, 0, 10, frozenset({43, 44}))
    assert client.exists("crucible:43:elo") == 0


@pytest.fixture
def judged(client: redis.Redis) -> list[str]:
    """A crucible with many judges; their keys, and the list of them."""
    apply(client, ROWS)
    client.sadd(keys.judges(42), *JUDGES)
    for user in JUDGES:
        client.hset(keys.judged(42, user), "1:2", "1:1:1:1516:1484:0:16")
    return [keys.judges(42), *(keys.judged(42, user) for user in JUDGES)]


def lives(client: redis.Redis, names: list[str]) -> set[int]:
    """How long keys live."""
    pipeline = client.pipeline()
    for name in names:
        pipeline.ttl(name)
    return set(pipeline.execute())


def test_no_script_is_about_all_judges(sink: RedisSink, client: redis.Redis, judged: list[str]) -> None:
    """They expire with their crucible, portion by portion, so that votes elsewhere come in between; and just once."""
    for shared in (ROW_STATE, ENDING):
        client.script_load(shared.text)
    client.config_resetstat()
    for again in range(3):
        sink.apply(folded([END, (500 + again, state(42, "Completed"))]), 1)

    commands = client.info("commandstats")
    assert commands["cmdstat_evalsha"]["calls"] == 3 + 3 + 1  # type: ignore[index]
    assert "cmdstat_smembers" not in commands  # type: ignore[operator]
    assert min(lives(client, judged)) > 0


def test_judges_that_an_end_did_not_reach_are_seen_to(sink: RedisSink, client: redis.Redis, judged: list[str]) -> None:
    """Killed after the row was shown: the poll is read again, and its row is old, but their keys expire."""
    apply(client, [END])
    assert lives(client, judged) == {-1}

    assert sink.apply(folded([END]), 1) == ShownStates(0, 1)
    assert min(lives(client, judged)) > 0


def test_an_end_that_is_undone_takes_no_judge(sink: RedisSink, client: redis.Redis, judged: list[str]) -> None:
    """Whoever was about to see to the judges comes late, and leaves them."""
    apply(client, [END])
    client.expire(judged[1], 1_000)  # how far it came
    sink.apply(folded([(500, state(42))]), 1)
    end_judges(client, 42)

    assert lives(client, judged) == {-1}


def test_a_redis_that_forgot_the_script_is_told_again(sink: RedisSink, client: redis.Redis) -> None:
    """Scripts are gone after a restart, a failover or SCRIPT FLUSH."""
    sink.apply(folded(ROWS[:1]), 1)
    client.script_flush()

    assert sink.apply(folded(ROWS[1:]), 1) == ShownStates(2, 0)


def test_a_redis_that_is_away_is_waited_for(sink: RedisSink, client: redis.Redis, server: Stack) -> None:
    """Killed and started again on its append-only file: the same call goes through, and old rows are still old."""
    sink.apply(folded(ROWS), 1)
    client.hset("crucible:42:elo", "1", "1532")
    server.redis.kill()
    with pytest.raises(TemporaryError, match="redis"):
        sink.apply(folded(ROWS), 1)
    server.redis.start()
    server.redis.await_ready()

    assert sink.apply(folded(ROWS), 1) == ShownStates(0, 3)
    assert shown(client, 42).ratings == {1: 1532, 2: 1500}


def test_a_frozen_redis_is_one_that_is_away(sink: RedisSink, client: redis.Redis, server: Stack) -> None:
    """Its connections are open and silent; the answer is the same as of one that is away."""
    sink.apply(folded(ROWS[:1]), 1)
    server.redis.pause()
    try:
        with pytest.raises(TemporaryError):
            sink.apply(folded(ROWS), 1)
    finally:
        server.redis.resume()
        server.redis.await_ready()

    again = sink.apply(folded(ROWS), 1)  # what was sent to it may have landed when it woke, or not
    assert again.rows + again.stale == len(ROWS)
    assert shown(client, 42).ratings == {1: 1500, 2: 1500}


def test_a_full_redis_is_waited_for(sink: RedisSink, client: redis.Redis) -> None:
    """With noeviction it refuses to write; nothing is thrown away for the newcomer, and nothing is lost."""
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(TemporaryError):
            sink.apply(folded(ROWS), 1)
    finally:
        client.config_set("maxmemory", "0")

    assert sink.apply(folded(ROWS), 1) == ShownStates(3, 0)


REFUSING = {
    "full": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", RefusedError, "OOM"),
    "without a right": ("ACL SETUSER default -evalsha", "ACL SETUSER default +@all", RefusedError, "EVALSHA"),
    "a replica": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", TemporaryError, "replica"),
}


@pytest.mark.parametrize("how", REFUSING)
def test_a_redis_that_answers_and_would_not_write_is_not_well(sink: RedisSink, client: redis.Redis, how: str) -> None:
    """Readiness asks this: where only an answer is asked for, all looks well while nothing is shown."""
    breaks, mends, kind, words = REFUSING[how]
    sink.try_writing()
    client.execute_command(*breaks.split())
    try:
        with pytest.raises(kind, match=words):
            sink.try_writing()
    finally:
        client.execute_command(*mends.split())

    sink.try_writing()
    assert client.dbsize() == 0
