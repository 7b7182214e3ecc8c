"""The Host header: each request names one host (RFC 9112, 3.2), or caches and proxies may take it for another's."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from watcher.api.http.asgi import Header

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")
"""A name or an address, perhaps with a port (RFC 3986, 3.2.2)."""
MAX_REMEMBERED_HOSTS: Final = 64
"""Hosts that are known to be well written; above it the one that was asked for longest ago is looked at again."""


def host_fault(headers: Sequence[Header], version: str) -> str | None:
    """Return what is wrong with the host of a request; None if nothing is.

    >>> host_fault([(b"host", b"example.com:80")], "1.1")
    >>> host_fault([], "1.1"), host_fault([], "1.0")
    ('there is no Host header', None)
    >>> host_fault([(b"host", b"a"), (b"host", b"a")], "1.1"), host_fault([(b"host", b"a/b")], "1.1")
    ('there are two Host headers', 'the Host header names no host')
    """
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        return "there is no Host header" if version == "1.1" else None
    if len(hosts) > 1:
        return "there are two Host headers"
    return None if _is_host(hosts[0]) else "the Host header names no host"


@lru_cache(MAX_REMEMBERED_HOSTS)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
