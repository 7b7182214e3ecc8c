"""Redis' synchronous client: made in one way, and its faults in our words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis
from redis.cluster import RedisCluster
from redis.connection import Connection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterCrossSlotError,
    InvalidResponse,
    MovedError,
    NoPermissionError,
    NoScriptError,
    RedisClusterException,
    RedisError,
)

from watcher.model.errors import RefusedError, TemporaryError
from watcher.redis.identity import identity_of
from watcher.redis.leaving import leaving
from watcher.redis.scripts import Script

Client = redis.Redis | RedisCluster
"""A client whose answers are bytes."""
OF_A_CLUSTER: Final = (
    "it is a node of a cluster: switch redis.cluster on, or let redis.url lead to a Redis that is none, as the API "
    "needs it"
)
"""What to do where one node is asked for what others have."""


def open_client(url: str, *, cluster: bool, timeout: float) -> Client:
    """Return a client that connects when it is first used.

    Args:
        url: address, with password if any.
        cluster: talk to a Redis Cluster.
        timeout: seconds to wait for an answer.

    Raises:
        TemporaryError: a cluster is away; it is asked for its nodes at once.
    """
    options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    with away_is_temporary():
        if cluster:
            return RedisCluster.from_url(url, **options)
        pool = redis.ConnectionPool.from_url(url, **options)
        pool.connection_class = leaving(pool.connection_class)
        return redis.Redis.from_pool(pool)


@contextmanager
def away_is_temporary() -> Iterator[None]:
    """Turn whatever the client raises into an error that means "again, later".

    Raises:
        RefusedError: Redis does not let us in, or do that.
        TemporaryError: Redis is away, full or loading.
    """
    try:
        yield
    except InvalidResponse as error:
        raise TemporaryError(
            f"redis: what answers does not speak Redis' protocol ({error}); is it TLS (rediss://), or something else?"
        ) from error
    except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
        raise RefusedError(f"redis: {error}; check redis.url and the user's rights") from error
    except (MovedError, ClusterCrossSlotError) as error:
        raise RefusedError(f"redis: {error}; {OF_A_CLUSTER}") from error
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise TemporaryError(f"redis is away: {str(error) or type(error).__name__}") from error
    except (RedisError, RedisClusterException) as error:  # a cluster's own is none of the others
        raise TemporaryError(f"redis: {str(error) or type(error).__name__}") from error


def run_script(client: Client, script: Script, names: Sequence[str], *arguments: Any) -> Any:
    """Run a script, and return its answer. One that this Redis does not know yet is sent along.

    Args:
        client: Redis.
        script: what to run.
        names: its keys.
        arguments: its arguments.

    Raises:
        TemporaryError: Redis is away, full or loading.
    """
    with away_is_temporary():
        try:
            return client.evalsha(script.sha, len(names), *names, *arguments)
        except NoScriptError:
            return client.eval(script.text, len(names), *names, *arguments)


def node_identity(client: Client, key: str) -> str:
    """Return the identity of the Redis process that holds a key. Another one after a restart or a failover.

    Args:
        client: whom to ask.
        key: any key of the slot in question; matters on a cluster.

    Returns:
        Run id and replication id, as ``fence`` of a crucible's state holds them.

    Raises:
        TemporaryError: it is a replica, or does not say who it is.
    """
    return node_identities(client, [key])[0]


def node_identities(client: Client, names: Sequence[str]) -> list[str]:
    """Return for several keys what :func:`node_identity` returns; each process is asked once."""
    if not isinstance(client, RedisCluster):
        try:
            return [process_identity(client.info("server"), client.info("replication"))] * len(names)
        except TemporaryError:
            client.connection_pool.disconnect(inuse_connections=False)  # the name may lead to another one by now
            raise
    nodes = [client.get_node_from_key(name) for name in names]  # type: ignore[no-untyped-call]
    known = {
        name: process_identity(client.info("server", target_nodes=node), client.info("replication", target_nodes=node))
        for name, node in {node.name: node for node in nodes}.items()
    }
    return [known[node.name] for node in nodes]


@contextmanager
def node_connection(client: Client, key: str) -> Iterator[Connection]:
    """Give a connection to the process that holds a key, for commands in the protocol's own words.

    It is closed if the block fails, because answers may be left in it.
    """
    if isinstance(client, RedisCluster):
        node = client.get_node_from_key(key)  # type: ignore[no-untyped-call]
        pool = client.get_redis_connection(node).connection_pool
    else:
        pool = client.connection_pool
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        connection.disconnect()  # type: ignore[no-untyped-call]
        raise
    finally:
        pool.release(connection)


def packed(*words: str | int) -> bytes:
    r"""Return a command in Redis' protocol.

    >>> packed("GET", "a")
    b'*2\r\n$3\r\nGET\r\n$1\r\na\r\n'
    """
    texts = [str(word).encode() for word in words]
    return b"*%d\r\n%s" % (len(texts), b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts))


def process_identity(server: Mapping[str, object], replication: Mapping[str, object]) -> str:
    """Return the identity of a process, as votes are fenced with it, from two sections of its INFO.

    Raises:
        TemporaryError: it is a replica, or does not say who it is.

    >>> process_identity({"run_id": "a1"}, {"role": "master", "master_replid": "b2"})
    'a1:b2'
    """
    return identity_of({**server, **replication})
