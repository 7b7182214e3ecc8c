"""How the vote API listens, whom it takes at their word, and what it allows."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from config.addresses import Host
from config.group import Group, _split

TRACING = ("traceparent", "tracestate", "baggage", "sentry-trace")
"""Headers of W3C Trace Context and Baggage, and of Sentry."""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


class ApiSettings(Group):
    """The vote API: role ``api`` or ``all``."""

    host: Host = "0.0.0.0"  # noqa: S104 - judges come from outside the container
    """Address to listen on. TLS belongs to the balancer in front."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 picks a free one and logs it."""
    issuer: Annotated[str, Field(min_length=1)] | None = None
    """``iss`` that tokens must have. Needed: without it any site's token of the same audience would do."""
    audience: Annotated[str, Field(min_length=1)] | None = None
    """``aud`` that tokens must have or contain. Needed: without it a token for another service would do."""
    hs256_secrets: SecretStr | None = None
    """Shared secrets of HS256 tokens, separated by commas, each of 32 bytes at least; every one is taken, so that a
    secret can be changed without a gap. Unset: HS256 is refused."""
    jwks: str | None = None
    """JSON Web Key Set with the RSA keys of RS256 tokens: an address or a file. Read again every five minutes, and when
    a key id is unknown. An address has to begin with https://, or be one of this machine: whoever stands in between
    could sign as anybody. Unset: RS256 is refused."""
    token_limit: Annotated[int, Field(ge=512, le=65_536)] = 8_192
    """Bytes of a bearer token. A request's other headers have 8,192 more. Smaller: users with many roles are refused,
    whose tokens list them. Larger: whoever asks can make more work. A proxy in front has a limit of its own, usually
    8 kB for a header."""
    leeway: Annotated[float, Field(ge=0, le=300)] = 5.0
    """Seconds by which the issuer's clock may be ahead or behind. Larger: expired tokens live longer."""
    pair_secrets: SecretStr | None = None
    """Secrets of pair tokens, separated by commas, each of 32 bytes at least, the same in every process; the first
    signs, every one is taken. Needed."""
    pair_ttl: Annotated[int, Field(ge=5, le=86_400)] = 600
    """Seconds in which a served pair may be voted on. Shorter: who looks long has to look again. Longer: pairs can be
    collected and voted on late, when it matters most."""
    require_pair_token: bool = True
    """Take votes only on pairs that were served to this judge. Off, anybody picks the pairs to vote on: for trials."""
    votes_per_minute: Annotated[int, Field(ge=0, le=6_000_000)] = 120
    """Votes of a user in a minute, which may come at once; 0: no limit. Lower: quick judges are held up. Higher: a
    program votes more than people."""
    reads_per_minute: Annotated[int, Field(ge=0, le=6_000_000)] = 600
    """Other requests of a user in a minute; 0: no limit."""
    connections: Annotated[int, Field(ge=16, le=1_000_000)] = 20_000
    """Connections of a process, where the kernel allows as many. Above it the one that has waited longest for its
    client is given up for the one that comes. Larger: more memory can be taken, up to about 100 kB each."""
    connections_per_address: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Connections of one address (one /64 network of IPv6) to a process; above it requests answer 503. 0: no limit,
    which is right behind a balancer or proxy, for then all clients come from its address; it has a limit of its own."""
    body_limit: Annotated[int, Field(ge=512, le=1_048_576)] = 4_096
    """Bytes of a request's body. A vote needs about 150."""
    max_log: Annotated[int, Field(ge=1, le=50_000_000)] = 500_000
    """Votes of one crucible that may wait in Redis for ClickHouse, about 100 bytes each; above it votes answer 503.
    Smaller: a shorter absence of ClickHouse is felt. Larger: more memory of Redis."""
    postgres_connections: Annotated[int, Field(ge=1, le=100)] = 8
    """Connections to the site's database at most. More than its cores only makes each answer later."""
    standings: Literal["live", "after_vote", "at_end"] = "live"
    """When judges are told how entries stand, which sways them: "live": always; "after_vote": once they have voted in
    the crucible; "at_end": once votes are over, and until then a vote is answered without its points. How the entries
    of a judge's open pair stand is told to that judge in none of them."""
    image_url: str = "{url}"
    """Address of an image, made from its row: ``{url}`` (escaped) and ``{id}``; for example
    ``https://images.example.com/{url}/width=450``. The page to vote on may load from that origin and no other."""
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Origins whose pages may call the API from a browser, e.g. ``https://example.com``. Empty: none but its own."""
    cors_headers: Annotated[tuple[str, ...], BeforeValidator(_split)] = TRACING
    """Headers that such pages may send besides those that the API reads: by default what tools for tracing and for
    error reports put into every request. A browser does not send a request at all for a header that is missing here."""

    @field_validator("hs256_secrets", "pair_secrets")
    @classmethod
    def _secrets_are_long(cls, secrets: SecretStr | None) -> SecretStr | None:
        if any(len(secret) < 32 for secret in listed(secrets)):
            raise ValueError("secrets of 32 bytes or more, separated by commas, are allowed: `openssl rand -base64 48`")
        return secrets

    @field_validator("jwks")
    @classmethod
    def _keys_come_safely(cls, source: str | None) -> str | None:
        if source is None:
            return source
        scheme = source.partition("://")[0] if "://" in source else ""
        if scheme not in ("", "http", "https"):  # as a path it would be looked for, and not be there, for ever
            raise ValueError("an address beginning with https://, or the path of a file, is allowed")
        if scheme == "http":
            host = urlsplit(source).hostname or ""
            if host != "localhost" and not _is_loopback(host):
                raise ValueError(
                    f"plain http:// to {host or 'no host'} is not allowed, for whoever answers decides whom the API "
                    "trusts; give an https:// address, or a file"
                )
        return source

    @field_validator("image_url")
    @classmethod
    def _the_template_fits(cls, template: str) -> str:
        # Of no other kind: a template is filled in by two replacements, not by a language of its own.
        if re.search(r"[{}]", template.replace("{url}", "").replace("{id}", "")) or not re.search(r"[{}]", template):
            raise ValueError("a template with {url} or {id}, written just so, and without other braces is allowed")
        return template

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^/*@\s]+", origin):
                raise ValueError(f"{origin!r} is no origin like https://example.com; a star is not allowed")
        return origins

    @field_validator("cors_headers")
    @classmethod
    def _headers_are_headers(cls, headers: tuple[str, ...]) -> tuple[str, ...]:
        for header in headers:
            if header == "*" or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", header):
                raise ValueError(f"{header!r} is no name of a header like X-Request-Id; a star is not allowed")
        return headers

    def lacks(self) -> list[str]:
        """Return what role ``api`` needs of this group and is not set, a line each; it must not start without."""
        lines = [
            f"api.{name} (CRUCIBLE_API__{name.upper()}): not set, and the API does not start without it: {why}"
            for name, why in (
                ("issuer", "the iss of the site's tokens"),
                ("audience", "the aud of tokens that are for this service"),
                ("pair_secrets", "make one with `openssl rand -base64 48`"),
            )
            if not getattr(self, name)
        ]
        if not self.hs256_secrets and not self.jwks:
            lines.append(
                "api.hs256_secrets (CRUCIBLE_API__HS256_SECRETS), api.jwks (CRUCIBLE_API__JWKS): neither is set, and "
                "the API does not start without one: without keys nobody could be told from anybody"
            )
        return lines


def listed(secrets: SecretStr | None) -> list[bytes]:
    """Secrets that one setting holds, separated by commas."""
    text = secrets.get_secret_value() if secrets else ""
    return [secret.strip().encode() for secret in text.split(",") if secret.strip()]
