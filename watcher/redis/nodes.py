"""Every primary of Redis by itself: the only one, or those of a cluster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis
from redis.cluster import RedisCluster

from watcher.redis.client import Client, away_is_temporary, open_client
from watcher.redis.rehearsal import rehearse


@dataclass(frozen=True, slots=True)
class RedisNode:
    """One primary, asked about itself."""

    info: Callable[[str], Mapping[str, Any]]
    """Answers a section of INFO."""
    config_get: Callable[[str], Mapping[Any, Any]]
    """Answers a setting; managed services refuse this."""
    rehearse: Callable[[], Mapping[str, str]]
    """Answers what would be refused, see :mod:`watcher.redis.rehearsal`."""


def open_nodes(url: str, *, cluster: bool, timeout: float) -> list[RedisNode]:
    """Return every primary, once it has answered.

    Args:
        url: address, with password if any.
        cluster: it is a Redis Cluster.
        timeout: seconds to wait for an answer.

    Raises:
        RefusedError: Redis does not let us in.
        TemporaryError: there is no answer.
    """
    whole = open_client(url, cluster=cluster, timeout=timeout)
    if not isinstance(whole, RedisCluster):
        with away_is_temporary():
            whole.ping()
    return [RedisNode(one.info, one.config_get, partial(rehearse, one)) for one in primaries(whole)]


def primaries(client: Client) -> list[redis.Redis]:
    """Return a client of each primary, as far as is known: the client itself where it is of no cluster."""
    if not isinstance(client, RedisCluster):
        return [client]
    nodes: Any = client.get_primaries()  # type: ignore[no-untyped-call]
    return [node.redis_connection for node in nodes if node.redis_connection is not None]
