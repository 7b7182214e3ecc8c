"""Which proxy a request goes through, by the variables that every HTTP program reads.

Decided here and not by the HTTP library: that one ends the process for a scheme that it lacks, passes addresses in
``NO_PROXY`` over that are written as networks, and cannot say which variable was wrong.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import msgspec

SCHEMES: Final = ("http", "https", "socks5", "socks5h")
"""Schemes that a proxy's address may have."""


class Proxy(msgspec.Struct, frozen=True):
    """A proxy, and the variable that names it."""

    url: str
    """Secret: it may hold a password."""
    variable: str
    host: str
    port: int


class BadProxyError(ValueError):
    """Raised when a variable names a proxy that cannot be used; says which, and never quotes a password."""


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for requests to an address, or None where they go there directly.

    This machine's own addresses are never asked through a proxy, which would look for them on its own machine.

    Args:
        url: where the request goes, http:// or https://.
        environ: where ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are looked up; written in small
            letters they come first.

    Raises:
        BadProxyError: the variable that counts names none that can be used.

    >>> proxy_for("https://a.example/", {"HTTPS_PROXY": "proxy.example:3128", "NO_PROXY": "b.example"}).url
    'http://proxy.example:3128'
    >>> proxy_for("https://x.b.example/", {"HTTPS_PROXY": "proxy.example:3128", "NO_PROXY": "b.example"})
    """
    address = urlsplit(url)
    host = address.hostname or ""
    if _is_loopback(host) or _excepted(host, address.port, _value(environ, "NO_PROXY")[1]):
        return None
    for name in (f"{address.scheme.upper()}_PROXY", "ALL_PROXY"):
        variable, given = _value(environ, name)
        if given:
            return _proxy(variable, given)
    return None


def _proxy(variable: str, given: str) -> Proxy:
    given = given if "://" in given else f"http://{given}"
    try:
        address = urlsplit(given)
        port = address.port
    except ValueError as error:
        raise BadProxyError(
            f"{variable} is no address of a proxy; expected one like http://proxy.example:3128"
        ) from error
    if address.scheme not in SCHEMES:
        raise BadProxyError(
            f"{variable} names a proxy with {address.scheme}://; {', '.join(SCHEMES)} are allowed. Set NO_PROXY to go "
            "to a host without it"
        )
    if not address.hostname:
        raise BadProxyError(f"{variable} names no host; expected an address like http://proxy.example:3128")
    usual = {"http": 80, "https": 443}.get(address.scheme, 1080)
    return Proxy(given, variable, address.hostname, usual if port is None else port)


def _value(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the variable that counts and what it says; empty when none is set."""
    for variable in (name.lower(), name):
        if given := environ.get(variable, "").strip():
            return variable, given
    return name, ""


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _excepted(host: str, port: int | None, no_proxy: str) -> bool:
    """Return whether ``NO_PROXY`` names a host: by itself, by its domain, its network, or by a star."""
    name = host.lower().rstrip(".")
    for one in no_proxy.lower().split(","):
        entry = one.strip()
        bare, colon, its_port = entry.rpartition(":")
        if colon and its_port.isdigit() and (":" not in bare or bare.endswith("]")):
            if port is None or int(its_port) != port:
                continue
            entry = bare
        entry = entry.strip("[]")
        if entry == "*" or (entry and (_in_network(name, entry) or _in_domain(name, entry))):
            return True
    return False


def _in_network(name: str, entry: str) -> bool:
    try:
        return ip_address(name) in ip_network(entry, strict=False)
    except ValueError:  # a name, on one side or both
        return False


def _in_domain(name: str, entry: str) -> bool:
    domain = entry.removeprefix("*").lstrip(".")
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))
