"""Another Redis becomes the primary behind one name, and the old one stays up: everybody goes over to the new one."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import hiredis
import pytest
import redis

from stack import Stack
from tests.contract.redis.rows import folded, state
from tests.contract.redis.switching import Name
from tests.stack.watching import provided
from watcher.model.errors import TemporaryError
from watcher.redis import keys
from watcher.redis.client import Client, node_connection, node_identity, open_client, run_script
from watcher.redis.link import Link
from watcher.redis.scripts import Script
from watcher.redis.sink import RedisSink
from watcher.redis.vote_log import VoteLog
from watcher.redis.wire import LinkLostError

LSNS = count(100)
WRITE = Script.of("return redis.call('SET', KEYS[1], 'x')")


def through_a_connection(client: Client) -> None:
    """As the verifier writes what judges have judged: in the protocol's words."""
    with node_connection(client, "a") as connection:
        connection.send_packed_command([b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nx\r\n"])
        try:
            connection.read_response()
        except redis.RedisError as error:
            raise TemporaryError(str(error)) from error


def in_a_pipeline(client: Client) -> None:
    """Of which each command is refused."""
    pipeline = client.pipeline(transaction=False)
    for name in "abc":
        pipeline.set(name, "x")
    try:
        pipeline.execute()
    except redis.RedisError as error:
        raise TemporaryError(str(error)) from error


WAYS: dict[str, Callable[[Client], Any]] = {
    "the sink": lambda client: RedisSink(client).apply(folded([(next(LSNS), state(42))]), 1),
    "a script": lambda client: run_script(client, WRITE, ["a"]),
    "a pipeline": in_a_pipeline,
    "one connection": through_a_connection,
    "who asks who it is": lambda client: node_identity(client, keys.log(1)),
}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The Redis that becomes the primary."""
    with provided():
        stack = Stack(tmp_path_factory.mktemp("other"), parts=("redis",))
        stack.start()
    yield stack
    stack.close()


@pytest.fixture
def name(server: Stack, other: Stack, client: redis.Redis) -> Iterator[Name]:
    """Leads to the Redis of this folder; that one is a primary again afterwards."""
    made = Name(server.redis.port)
    yield made
    made.close()
    client.replicaof("NO", "ONE")


def switch_over(name: Name, client: redis.Redis, other: Stack) -> None:
    """Make the other one the primary, and the old one its replica."""
    client.replicaof("127.0.0.1", str(other.redis.port))
    name.leads_to = other.redis.port


@pytest.mark.parametrize("way", WAYS)
def test_a_client_connects_anew(name: Name, client: redis.Redis, other: Stack, way: str) -> None:
    """One refusal at most, then the new one answers; it is asked on one connection, and kept."""
    ours = open_client(name.url, cluster=False, timeout=5.0)
    ask = WAYS[way]
    ask(ours)
    assert name.taken == 1
    switch_over(name, client, other)

    with pytest.raises(TemporaryError, match=r"(?i)read.?only|replica"):
        ask(ours)
    for _ in range(3):
        ask(ours)

    assert ours.info("server")["run_id"] == redis.Redis.from_url(other.redis.url).info("server")["run_id"]
    assert name.taken == 2
    ours.close()


@pytest.mark.parametrize("lacking", ["run_id", "master_replid"])
def test_one_that_does_not_say_who_it_is_is_waited_for(
    server: Stack, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """What fences votes is not guessed, and no process ends of it."""
    ours = open_client(server.redis.url, cluster=False, timeout=5.0)
    told = {**ours.info("server"), **ours.info("replication")}
    monkeypatch.setattr(ours, "info", lambda _: {key: value for key, value in told.items() if key != lacking})

    with pytest.raises(TemporaryError, match=rf"does not tell its {lacking}, by which votes know it"):
        VoteLog(ours).identities([1])
    ours.close()


def test_a_link_connects_anew(name: Name, client: redis.Redis, other: Stack) -> None:
    """The API's connection for votes as well: at the first refusal, not at its next look."""

    async def run() -> tuple[Any, str, str]:
        link = Link(name.url, 5.0)
        keeping = asyncio.ensure_future(link.run())

        async def there(but: str = "") -> str:
            while link.identity in ("", but):
                await asyncio.wait([keeping], timeout=0.01)
            return link.identity

        before = await there()
        switch_over(name, client, other)
        refused = await link.ask(("SET", "a", "x"))
        with pytest.raises(LinkLostError):
            await link.ask(("SET", "a", "x"))
        after = await there(but=before)
        assert await link.ask(("SET", "a", "x")) == b"OK"
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return refused, before, after

    refused, before, after = asyncio.run(run())

    assert isinstance(refused, hiredis.ReplyError)
    assert str(refused).startswith("READONLY")
    assert before != after
