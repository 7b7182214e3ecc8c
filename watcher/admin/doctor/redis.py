"""Redis' side: it keeps what it was given, in memory and over a restart."""

from collections.abc import Iterator, Mapping
from typing import Final

from watcher.admin.doctor.findings import Finding, fail, judged, ok, warn
from watcher.model.errors import TemporaryError
from watcher.redis.client import OF_A_CLUSTER
from watcher.redis.identity import identity_of
from watcher.redis.nodes import RedisNode
from watcher.redis.refusals import refusal

OLDEST_VERSION: Final = (6, 2)
PACKED_SETTING: Final = "hash-max-ziplist-entries"
"""Fields up to which a hash is one string that is searched from end to end; newer servers know it by this name too."""
MAX_PACKED_FIELDS: Final = 64
TO_DO: Final[Mapping[str, str]] = {
    "noperm": "ACL SETUSER <user of redis.url> +@all ~*",
    "oom": "raise maxmemory; nothing is thrown away meanwhile",
    "readonly": "point redis.url to the primary",
    "misconf": "see the server's log about its disk",
    "noreplicas": "bring its replicas back, or lower min-replicas-to-write",
    "unknown": "take rename-command out of the server's configuration",
}
"""What to do, by the reason of a refusal."""
MAX_TOLD: Final = 3
"""Refused writes that are told; the others are counted."""


def server(node: RedisNode) -> Iterator[Finding]:
    """Find whether the server may be written, and is young enough."""
    about, role = node.info("server"), node.info("replication").get("role")
    version = str(about.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if role != "master":
        yield fail("redis.server", f"version {version}, a {role}", "point redis.url to the primary")
    else:
        yield judged("redis.server", numbers >= OLDEST_VERSION, f"version {version}", "use 6.2 or later")


def alone(node: RedisNode) -> Iterator[Finding]:
    """Find whether the server has all keys, where it is spoken to as one that does: of some it would look well."""
    mode = str(node.info("server").get("redis_mode", "standalone"))
    yield judged("redis.mode", mode != "cluster", mode, OF_A_CLUSTER)


def identity(node: RedisNode) -> Iterator[Finding]:
    """Find whether the server says who it is, by which votes of before a switch-over are told from those of after."""
    try:
        identity_of({**node.info("server"), **node.info("replication"), "role": "master"})
    except TemporaryError as error:
        yield fail("redis.identity", str(error), "without it no vote is taken and none is stored")
    else:
        yield ok("redis.identity", "run_id and master_replid")


def eviction(node: RedisNode) -> Iterator[Finding]:
    """Find whether a full Redis refuses writes instead of forgetting ratings."""
    policy = str(node.info("memory").get("maxmemory_policy", "unknown"))
    yield judged(
        "redis.eviction",
        policy == "noeviction",
        policy,
        "CONFIG SET maxmemory-policy noeviction: another policy drops ratings when memory runs out",
    )


def persistence(node: RedisNode) -> Iterator[Finding]:
    """Find whether ratings outlive a restart, and votes a power cut."""
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
    """Find whether a vote finds its entries without searching for them."""
    try:
        most = int(node.config_get(PACKED_SETTING)[PACKED_SETTING])
    except Exception:  # noqa: BLE001 - refused by managed services
        yield ok("redis.hashes", f"CONFIG is refused, so {PACKED_SETTING} is not known")
        return
    if most <= MAX_PACKED_FIELDS:
        yield ok("redis.hashes", f"{PACKED_SETTING} {most}")
        return
    yield warn(
        "redis.hashes",
        f"{PACKED_SETTING} {most}: with hundreds of entries a vote searches through all of them, several times",
        f"CONFIG SET {PACKED_SETTING} 32, and CONFIG REWRITE to keep it so",
    )


def writes(node: RedisNode) -> Iterator[Finding]:
    """Find whether everything would be taken that is written."""
    refuses = node.rehearse()
    if not refuses:
        yield ok("redis.writes", "every command would be taken")
        return
    told = "; ".join(f"{what}: {why}" for what, why in list(refuses.items())[:MAX_TOLD])
    more = f"; and {len(refuses) - MAX_TOLD} more" if len(refuses) > MAX_TOLD else ""
    reasons = dict.fromkeys(reason for reason in map(refusal, refuses.values()) if reason is not None)
    advice = "; ".join(TO_DO[reason] for reason in reasons)
    because = ("redis.server",) if "readonly" in reasons else ()
    yield fail("redis.writes", f"{told}{more}", advice, because)


CHECKS: Final = (server, identity, eviction, persistence, hashes, writes)
