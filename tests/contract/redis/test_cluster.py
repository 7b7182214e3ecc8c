"""A Redis Cluster, of one node: the client is another, and so are its faults."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import redis

from stack.ports import EPHEMERAL, Ports
from stack.redis import Redis
from tests.awaiting import await_that
from tests.contract.redis.rows import folded, state
from tests.stack.watching import provided
from watcher.admin.doctor import redis as doctor
from watcher.admin.doctor.findings import Level
from watcher.model.effects import EntryState
from watcher.model.errors import RefusedError, TemporaryError
from watcher.model.row_state import ShownStates
from watcher.redis import keys
from watcher.redis.admit import Placement
from watcher.redis.client import Client, open_client, run_script
from watcher.redis.locked_crucible import EntryWrite, lock_crucible
from watcher.redis.nodes import open_nodes
from watcher.redis.scripts import Script
from watcher.redis.sink import RedisSink
from watcher.redis.vote_log import VoteLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stack import Stack
    from stack.leashed import Program

SLOTS = 16_384
BUS = 10_000
"""What Redis adds to its port."""
ROWS = [
    (100 * crucible + one, row)
    for crucible in (1, 2, 3)
    for one, row in enumerate([state(crucible), EntryState(crucible, 1, 7, 5, 0), EntryState(crucible, 2, 7, 6, 0)])
]


class Node(Redis):
    """A Redis that is a whole cluster."""

    def program(self) -> Program:
        """The same with cluster mode on."""
        plain = super().program()
        return dataclasses.replace(plain, command=[*plain.command, "--cluster-enabled", "yes"])

    def serves(self) -> bool:
        """Whether every slot is served."""
        with redis.Redis(port=self.port) as asked:
            return b"cluster_state:ok" in asked.execute_command("CLUSTER", "INFO")


def port_with_bus(ports: Ports) -> int:
    """A port whose companion for the cluster's own traffic is free too, and is no port of outgoing connections."""
    while True:
        port = ports.take()
        if port + BUS < EPHEMERAL and ports.take(port + BUS) == port + BUS:
            return port


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Started, with all slots its own."""
    ports = Ports()
    made = Node(tmp_path_factory.mktemp("cluster"), port=port_with_bus(ports))
    with provided():
        made.start()
    try:
        made.await_ready()
        with redis.Redis(port=made.port) as asked:
            asked.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))
        await_that(made.serves, "the cluster to serve")
        yield made
    finally:
        made.kill()
        ports.close()


@pytest.fixture
def client(node: Node) -> Iterator[Client]:
    """As the watcher makes it."""
    opened = open_client(node.url, cluster=True, timeout=1.0)
    yield opened
    opened.close()


def test_rows_are_shown(client: Client) -> None:
    """Crucibles of several slots in one poll; also by nodes that do not know the script."""
    sink = RedisSink(client)

    assert sink.apply(folded(ROWS), 1) == ShownStates(9, 0)
    client.script_flush()
    assert sink.apply(folded(ROWS), 1) == ShownStates(0, 9)
    assert client.hgetall("crucible:3:elo") == {b"1": b"1500", b"2": b"1500"}


def test_a_crucible_is_locked_closed_and_opened(client: Client) -> None:
    """Whatever a verifier does to it is in one slot; also by nodes that do not know the scripts."""
    RedisSink(client).apply(folded(ROWS), 1)
    row = state(2).fields()
    with lock_crucible(client, 2, {}) as locked:
        assert locked is not None
        closed = locked.close()
        client.script_flush()
        locked.renew()
        assert (closed.present, locked.known_ids()) == (True, [1, 2])
        wanted = keys.entry_text(keys.mark(1, 7), EntryState(2, 1, 7, 8, 0))
        assert locked.write([EntryWrite(1, locked.read([1])[1], wanted, 1516, 3)]) == 1
        locked.admit([Placement(1, 4, 8)])
        locked.open(2, "a:b", closed, keys.mark(1, 0), row, votes_before=9)
        assert client.exists(keys.verifier_lock(2)) == 0
    with lock_crucible(client, 2, {}) as locked, lock_crucible(client, 2, {}) as other:
        assert (locked is None, other) == (False, None)

    assert client.exists(keys.verifier_lock(2)) == 0
    assert client.hmget(keys.state(2), "epoch", "fence", "before") == [b"2", b"a:b", b"9"]
    assert client.hgetall(keys.elo(2)) == {b"1": b"1516", b"2": b"1500"}
    assert client.zrange(keys.standings(2), 0, -1) == [keys.standing(0, 1).encode()]
    with lock_crucible(client, 2, {}) as locked:
        assert locked is not None
        locked.close()
        locked.clear()
    assert not client.exists(keys.elo(2), keys.standings(2), keys.pool(2, 4))


ASKED: dict[str, Callable[[Client], object]] = {
    "rows": lambda client: RedisSink(client).apply(folded(ROWS), 1),
    "whether it would write": lambda client: RedisSink(client).try_writing(),
    "votes": lambda client: VoteLog(client).quiet(),
}


def test_a_cluster_that_is_away_is_waited_for(node: Node, client: Client) -> None:
    """Whatever is asked of it, before and after its client was made; the same client goes on when it is back."""
    RedisSink(client).apply(folded(ROWS), 1)
    node.kill()

    for ask in ASKED.values():
        with pytest.raises(TemporaryError, match="redis"):
            ask(client)
    with pytest.raises(TemporaryError, match="redis"):
        open_client(node.url, cluster=True, timeout=1.0)

    node.start()
    node.await_ready()
    await_that(node.serves, "the cluster to serve")
    shown = RedisSink(client).apply(folded(ROWS), 1)
    assert shown.rows + shown.stale == 9  # what it was told last a busy machine may not have written when it was killed


def test_who_takes_a_node_for_all_of_redis_is_told(node: Node) -> None:
    """Keys of one slot would pass, and all else be refused one by one: doctor says so before."""
    alone = open_client(node.url, cluster=False, timeout=1.0)

    with pytest.raises(RefusedError, match=r"switch redis\.cluster on"):
        run_script(alone, Script.of("return 1"), ["a", "b"])
    (found,) = (one for opened in open_nodes(node.url, cluster=False, timeout=1.0) for one in doctor.alone(opened))

    assert (found.level, found.found) == (Level.FAIL, "cluster")


def test_a_redis_of_its_own_is_one(server: Stack) -> None:
    """The control: a Redis that is no cluster has all keys."""
    (opened,) = open_nodes(server.redis.url, cluster=False, timeout=1.0)
    (found,) = doctor.alone(opened)

    assert (found.level, found.found) == (Level.OK, "standalone")
