"""A drain plan that another program opened, on a real Redis."""

from collections.abc import Iterator

import pytest

from stack import Stack
from watcher.model.drain_plan import DrainPlan, Range
from watcher.model.errors import TemporaryError
from watcher.redis import keys
from watcher.redis.client import Client, open_client
from watcher.redis.vote_log import VoteLog

PLAN = DrainPlan((Range(42, 1, 5, 9),))


@pytest.fixture
def plain(server: Stack, client: object) -> Iterator[Client]:
    """The emptied Redis, through the program's own client."""
    del client
    one = open_client(server.redis.url, cluster=False, timeout=5.0)
    yield one
    one.close()


def test_a_plan_of_another_version_stays(plain: Client) -> None:
    """While programs are replaced one by one, both see the same plans; the message says what it waits for."""
    theirs = b'{"plan":2,"votes":{"42":[5,9]}}'
    plain.set(keys.drain(2), theirs)

    with pytest.raises(TemporaryError, match=r"crucible:drain:2 holds a drain plan of version 2"):
        VoteLog(plain).open_plan(2)
    assert plain.get(keys.drain(2)) == theirs
    assert not VoteLog(plain).name(2, PLAN)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"plan":1,"ranges":[[1]]}'])
def test_a_damaged_plan_is_taken_away(plain: Client, text: bytes) -> None:
    """The control: nobody could ever carry it out, and its votes are in their logs."""
    plain.set(keys.drain(2), text)

    assert VoteLog(plain).open_plan(2) is None
    assert plain.get(keys.drain(2)) is None


def test_our_own_plan_is_read(plain: Client) -> None:
    """And stays until it is done."""
    assert VoteLog(plain).name(2, PLAN)
    assert VoteLog(plain).open_plan(2) == PLAN


def test_buckets_with_a_plan_or_a_hint_are_not_quiet(plain: Client) -> None:
    """One question about all of them."""
    log = VoteLog(plain)
    assert log.quiet() == set(range(keys.BUCKETS))

    log.name(2, PLAN)
    log.hint([13])

    assert log.quiet() == set(range(keys.BUCKETS)) - {2, 5}
