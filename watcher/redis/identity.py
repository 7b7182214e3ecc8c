"""Which Redis process answers: what a vote's fence is made of."""

from collections.abc import Mapping
from typing import Final

from watcher.model.errors import TemporaryError

_NAMES: Final = ("run_id", "master_replid")
"""The first changes with each start, the second with each promotion or resync."""


def identity_of(told: Mapping[str, object]) -> str:
    """Return the identity of a primary, from what the sections ``server`` and ``replication`` of INFO say.

    Raises:
        TemporaryError: it is a replica, or does not say who it is: managed ones and proxies may leave that out.

    >>> identity_of({"role": "master", "run_id": "a1", "master_replid": "b2"})
    'a1:b2'
    """
    if told.get("role") != "master":
        raise TemporaryError("this redis is a replica; let redis.url lead to the primary")
    if missing := [name for name in _NAMES if not told.get(name)]:
        raise TemporaryError(
            f"this redis does not tell its {' and '.join(missing)}, by which votes know it; use one whose INFO does"
        )
    return ":".join(str(told[name]) for name in _NAMES)
