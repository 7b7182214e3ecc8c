"""The public keys of tokens, where an address or a file has them."""

from collections.abc import Iterator, Sequence
from typing import Final

from watcher.admin.doctor.findings import Finding, fail, ok, warn
from watcher.model.words import counted

SHOWN: Final = 3
"""Unusable keys that are named; more would hide what is said of them."""

KeysThere = tuple[int, Sequence[str]]
"""How many keys can be used, and the ids of those that cannot, each with the reason."""


def keys(there: KeysThere) -> Iterator[Finding]:
    """Find whether every signing key of the set can be used: whoever is signed by another one is let in nowhere."""
    usable, unusable = there
    found = f"{counted(usable, 'key')} of RS256"
    if unusable:
        named = "; ".join(unusable[:SHOWN]) + ("; ..." if len(unusable) > SHOWN else "")
        yield warn("api.jwks", f"{found}, and {len(unusable)} that cannot be used: {named}", "mend or replace the key")
    elif usable:
        yield ok("api.jwks", found)
    else:
        yield fail("api.jwks", found, "put a public key of RS256 into the set")
