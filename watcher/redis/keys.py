"""The names of a crucible's keys in Redis.

The ratings are where the users of this service look for them: ``crucible:42:elo``. Their companions carry that name in
braces, which makes Redis Cluster keep them in the same slot, so that one script may touch them all.
"""

from typing import Final

BUCKETS: Final = 8
"""Drains of the vote log: a crucible belongs to the one of its id modulo this. More: smaller inserts, and more of them;
fewer: less work side by side. Changing it strands open plans, so it is not a setting."""


def elo(crucible_id: int) -> str:
    """Hash, entry id -> rating.

    >>> elo(42)
    'crucible:42:elo'
    """
    return f"crucible:{crucible_id}:elo"


def tag(crucible_id: int) -> str:
    """What the companions begin with; a pool's name is this and its level.

    >>> tag(42)
    '{crucible:42:elo}:'
    """
    return f"{{crucible:{crucible_id}:elo}}:"


def state(crucible_id: int) -> str:
    """Hash; the crucible is present if and only if this key is."""
    return f"{{crucible:{crucible_id}:elo}}:state"


def entries(crucible_id: int) -> str:
    """Hash, entry id -> mark and row."""
    return f"{{crucible:{crucible_id}:elo}}:entries"


def votes(crucible_id: int) -> str:
    """Hash, entry id -> number of votes that it was part of."""
    return f"{{crucible:{crucible_id}:elo}}:votes"


def left(crucible_id: int) -> str:
    """Hash, entry id -> rating:votes of an entry that is gone and had votes; should it return, it goes on there."""
    return f"{{crucible:{crucible_id}:elo}}:left"


def standings(crucible_id: int) -> str:
    """Sorted set of admitted entries, in the order of the final ranking."""
    return f"{{crucible:{crucible_id}:elo}}:standings"


def admitted(crucible_id: int) -> str:
    """Hash, entry id -> exact nsfwLevel of its image."""
    return f"{{crucible:{crucible_id}:elo}}:admitted"


def pool(crucible_id: int, level: int) -> str:
    """Set of admitted entries of exactly that nsfwLevel."""
    return f"{{crucible:{crucible_id}:elo}}:pool:{level}"


def judges(crucible_id: int) -> str:
    """Set of user ids that have voted. At a crucible's end it is the last to expire, see ``ending.py``."""
    return f"{{crucible:{crucible_id}:elo}}:judges"


def judged(crucible_id: int, user_id: int) -> str:
    """Hash, pair -> the user's outcome for it; and what a rebuild has packed, see ``unpack.lua``."""
    return f"{{crucible:{crucible_id}:elo}}:judged:{user_id}"


def log(crucible_id: int) -> str:
    """Stream of votes that are not yet in ClickHouse."""
    return f"{{crucible:{crucible_id}:elo}}:log"


def bucket(crucible_id: int) -> int:
    """The drain that a crucible's votes go through."""
    return crucible_id % BUCKETS


def undrained(bucket: int) -> str:
    """Set of crucible ids whose log may hold votes. A hint: an id is added before the vote that makes it true."""
    return f"crucible:undrained:{bucket}"


def drain(bucket: int) -> str:
    """String, the bucket's open drain plan."""
    return f"crucible:drain:{bucket}"


def limit(user_id: int) -> str:
    """String, how much of the rate limit a user has left."""
    return f"crucible:limit:{user_id}"


def standing(created_ms: int, entry_id: int) -> str:
    """An entry as the standings hold it: of equal ratings the older one comes first, then the lower id.

    Its score is the rating's negative, so that plain ascending order is the ranking.

    >>> standing(1_760_000_000_000, 7)
    '001760000000000:0000000007'
    """
    return f"{created_ms:015d}:{entry_id:010d}"
