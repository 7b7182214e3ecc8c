"""Remembers for the verifiers of all processes in which files the site's tables lay."""

from typing import cast

from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary


def known_files(client: Client) -> str:
    """Return the files that the site's tables lay in when somebody last looked; empty if nobody has.

    Raises:
        TemporaryError: Redis is away.
    """
    with away_is_temporary():
        return (cast("bytes | None", client.get(keys.SITE_FILES)) or b"").decode()


def remember_files(client: Client, files: str) -> None:
    """Note the files that the site's tables lie in, once what that means has been seen to.

    Raises:
        TemporaryError: Redis is away.
    """
    with away_is_temporary():
        client.set(keys.SITE_FILES, files)
