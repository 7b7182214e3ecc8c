"""Redis' side: it keeps what it was given, in memory and over a restart."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import redis
from redis.cluster import RedisCluster

from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn

OLDEST: Final = (6, 2)
PACKED: Final = "hash-max-ziplist-entries"
"""Fields up to which a hash is one string that is searched from end to end; newer servers know it by this name too."""
MOST_PACKED: Final = 64


class RedisNode:
    """One primary: the only one, or one of a cluster's.

    Args:
        info: answers a section of INFO.
        config_get: answers a setting; managed services refuse this.
    """

    def __init__(
        self, info: Callable[[str], Mapping[str, Any]], config_get: Callable[[str], Mapping[Any, Any]]
    ) -> None:
        self.info, self.config_get = info, config_get


def open_nodes(url: str, cluster: bool, timeout: float) -> list[RedisNode]:
    """Every primary.

    Args:
        url: address, with password if any.
        cluster: it is a Redis Cluster.
        timeout: seconds to wait for an answer.

    Raises:
        redis.exceptions.RedisError: there is no answer.
    """
    options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    if not cluster:
        client = redis.Redis.from_url(url, **options)
        client.ping()
        return [RedisNode(client.info, client.config_get)]
    whole = RedisCluster.from_url(url, **options)
    primaries: Any = whole.get_primaries()  # type: ignore[no-untyped-call]
    clients = [node.redis_connection for node in primaries]
    return [RedisNode(client.info, client.config_get) for client in clients if client is not None]


def same(node: RedisNode) -> RedisNode:
    """A node that is open already."""
    return node


def server(node: RedisNode) -> Iterator[Finding]:
    """It answers, may be written, and is young enough."""
    about, role = node.info("server"), node.info("replication").get("role")
    version = str(about.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if role != "master":
        yield fail("redis.server", f"version {version}, a {role}", "point redis.url to the primary")
    else:
        yield judged("redis.server", numbers >= OLDEST, f"version {version}", "use 6.2 or later")


def eviction(node: RedisNode) -> Iterator[Finding]:
    """A full Redis refuses writes instead of forgetting ratings."""
    policy = str(node.info("memory").get("maxmemory_policy", "unknown"))
    yield judged(
        "redis.eviction",
        policy == "noeviction",
        policy,
        "CONFIG SET maxmemory-policy noeviction: another policy drops ratings when memory runs out",
    )


def persistence(node: RedisNode) -> Iterator[Finding]:
    """Ratings outlive a restart."""
    if int(node.info("persistence").get("aof_enabled", 0)) != 1:
        yield fail(
            "redis.persistence", "no append-only file", "CONFIG SET appendonly yes, and CONFIG REWRITE to keep it so"
        )
        return
    try:
        fsync = str(node.config_get("appendfsync").get("appendfsync", "unknown"))
    except Exception:  # noqa: BLE001 - refused by managed services
        yield ok("redis.persistence", "append-only file; CONFIG is refused, so appendfsync is not known")
        return
    if fsync == "always":
        yield ok("redis.persistence", f"append-only file, appendfsync {fsync}")
        return
    costs = "up to a second of votes" if fsync == "everysec" else "the last votes"
    yield warn(
        "redis.persistence",
        f"append-only file, appendfsync {fsync}: a power cut costs {costs} that were answered",
        "CONFIG SET appendfsync always, and CONFIG REWRITE to keep it so",
    )


def hashes(node: RedisNode) -> Iterator[Finding]:
    """A vote finds its entries without searching for them."""
    try:
        most = int(node.config_get(PACKED)[PACKED])
    except Exception:  # noqa: BLE001 - refused by managed services
        yield ok("redis.hashes", f"CONFIG is refused, so {PACKED} is not known")
        return
    if most <= MOST_PACKED:
        yield ok("redis.hashes", f"{PACKED} {most}")
        return
    yield warn(
        "redis.hashes",
        f"{PACKED} {most}: with hundreds of entries a vote searches through all of them, several times",
        f"CONFIG SET {PACKED} 32, and CONFIG REWRITE to keep it so",
    )


CHECKS: Final = (server, eviction, persistence, hashes)
