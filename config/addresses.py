"""Which addresses of neighbours can be used: told when the settings are read, not by a driver when it connects."""

import re
from ipaddress import IPv6Address
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, SecretStr

_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
"""One of the hosts of a connection string, with its port; IPv6 in brackets."""
_KEYWORDS: Final = re.compile(r"\s*\w+\s*=")
"""How a connection string begins that is no URL: ``host=...``."""


def _host(address: str) -> str:
    host = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not host or re.search(r"[\s/@\[\]]", host) or (":" in host and not _is_ipv6(host)):
        raise ValueError("a name or an address is allowed, without http://; the port has a setting of its own")
    return host


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _http(address: str) -> str:
    if not re.match(r"https?://[^/@]+(/|$)", address):
        raise ValueError("an address beginning with http:// or https://, without user and password, is allowed")
    return address


def _redis(secret: SecretStr) -> SecretStr:
    address = secret.get_secret_value()
    if not address.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("an address beginning with redis://, rediss:// (TLS) or unix:// is allowed")
    if not address.startswith("unix://") and not _names_a_database(address):
        raise ValueError("redis://[[user]:password@]host[:port][/number of the database] is allowed")
    return secret


def _names_a_database(address: str) -> bool:
    """Return whether port and path are numbers: for another path the client takes database 0 and does not say so."""
    try:
        parts = urlsplit(address)
        return parts.port != 0 and re.fullmatch(r"/?|/\d+", unquote(parts.path)) is not None
    except ValueError:
        return False


def _libpq(secret: SecretStr) -> SecretStr:
    address = secret.get_secret_value()
    scheme, found, rest = address.partition("://")
    if found and scheme in ("postgresql", "postgres"):
        hosts = re.split(r"[/?]", rest.rpartition("@")[2], maxsplit=1)[0].split(",")
        usable = all(_HOST.fullmatch(host) for host in hosts)
    else:
        usable = _KEYWORDS.match(address) is not None
    if not usable or "\n" in address.strip():
        raise ValueError("postgresql://[user[:password]@]host[:port]/database or host=... dbname=... is allowed")
    return secret


Host = Annotated[str, AfterValidator(_host)]
"""IPv6 with brackets or without; kept without."""
HttpAddress = Annotated[str, AfterValidator(_http)]
RedisAddress = Annotated[SecretStr, AfterValidator(_redis)]
PostgresAddress = Annotated[SecretStr, AfterValidator(_libpq)]
