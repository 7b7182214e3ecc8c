"""Every setting, in frozen groups. Each says its unit, its default and what breaks when it is smaller or larger.

Environment: ``CRUCIBLE_`` prefix, ``__`` between group and key, e.g. ``CRUCIBLE_KAFKA__GROUP=crucible-watcher``.
File: the same keys as TOML tables. Secrets directory: one file a key, named ``kafka__sasl_password``.
"""

import json
import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from config.addresses import HttpAddress, PostgresAddress, RedisAddress
from config.topics import TOPICS

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=1, le=65_535)]


def _split(given: Any) -> Any:
    """A list from the environment: JSON when it begins with a bracket, else separated by commas."""
    if not isinstance(given, str):
        return given
    if not given.lstrip().startswith("["):
        return [name for part in given.split(",") if (name := part.strip())]
    try:
        return json.loads(given)
    except ValueError as error:
        raise ValueError(f"a list is allowed, as JSON or separated by commas; as JSON it fails: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


def _topic(name: str) -> str:
    """A name that Kafka takes; another one is refused by every broker, in a warning or not at all."""
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) or name in (".", ".."):
        raise ValueError(f"{name!r} is no name of a topic: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed")
    return name


Topic = Annotated[str, AfterValidator(_topic)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split), Field(min_length=1)]


TRACING = ("traceparent", "tracestate", "baggage", "sentry-trace")
"""Headers of W3C Trace Context and Baggage, and of Sentry."""


class Group(BaseModel):
    """A group of settings: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class KafkaSettings(Group):
    """The broker and the consumer group."""

    bootstrap_servers: Annotated[str, Field(pattern=r"^[^\s,]+:\d+(,[^\s,]+:\d+)*$")] = "127.0.0.1:9092"
    """Brokers as host:port, separated by commas."""
    group: Annotated[str, Field(min_length=1)] = "crucible-watcher"
    """Consumer group. Another name starts from the earliest offset; what was counted before is still recognised."""
    topics: Names = TOPICS
    """Change streams to read, by name or as a regular expression beginning with ``^``. The record's own
    ``source.table`` decides what it is, so any naming will do."""
    heartbeat_topic: str = "__debezium-heartbeat.crucible"
    """Debezium's heartbeat topic: tells an idle source from a stalled one. Empty: do not read it."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """``classic`` is cooperative rebalancing by the clients; ``consumer`` is KIP-848, by the broker (Kafka >= 4.0)."""
    group_instance_id: str | None = None
    """Static membership: a stable name per replica avoids a rebalance at each restart, and costs up to
    ``session_timeout`` seconds of standstill of its partitions when it does not come back."""
    session_timeout: Annotated[float, Field(gt=0, le=3_600)] = 45.0
    """Seconds without a heartbeat until the broker gives the partitions away. A plan older than this is not sent.
    The broker takes what lies between its ``group.min.session.timeout.ms`` and ``group.max.session.timeout.ms``.
    With ``consumer`` the broker decides; set this to its ``group.consumer.session.timeout.ms``."""
    max_poll_interval: Seconds = 300.0
    """Seconds between two polls until the client leaves the group. Not below ``session_timeout``."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to talk to the brokers."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``. Needed with SASL, like user and password."""
    sasl_username: str | None = None
    """User of SASL."""
    sasl_password: SecretStr | None = None
    """Password of SASL."""
    ssl_ca_location: str | None = None
    """File of the certificate authority. Unset: the system's."""

    @field_validator("topics")
    @classmethod
    def _names_and_expressions(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            if not topic.startswith("^"):
                _topic(topic)
                continue
            try:
                re.compile(topic)
            except re.error as error:
                raise ValueError(f"{topic!r} begins with ^ and is no regular expression: {error}") from None
            if "(?" in topic:  # Kafka's client has POSIX' expressions, and says of others only that they are invalid
                raise ValueError(f"{topic!r} has (?, which Kafka's client does not know; name the topics instead")
        return topics

    @field_validator("heartbeat_topic")
    @classmethod
    def _a_name_or_none(cls, topic: str) -> str:
        return topic and _topic(topic)

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        password = self.sasl_password.get_secret_value() if self.sasl_password else ""
        given = {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_username": self.sasl_username,
            "sasl_password": password,
        }
        lacking = [name for name, value in given.items() if not value]
        if self.security_protocol.startswith("SASL") and lacking:
            raise ValueError(
                f"security_protocol {self.security_protocol} needs {', '.join(given)}; not set: {', '.join(lacking)}"
            )
        return self

    @model_validator(mode="after")
    def _polls_within_a_session(self) -> Self:
        if self.group_protocol == "classic" and self.max_poll_interval < self.session_timeout:
            raise ValueError(
                f"max_poll_interval is given {self.max_poll_interval:g}, session_timeout ({self.session_timeout:g}) or "
                "more is allowed"
            )
        return self

    def client(self) -> dict[str, str]:
        """The connection's settings as librdkafka spells them. Holds the password in the clear: never log it."""
        given = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password.get_secret_value() if self.sasl_password else None,
            "ssl.ca.location": self.ssl_ca_location,
        }
        return {name: value for name, value in given.items() if value is not None}

    def membership(self) -> dict[str, str | int]:
        """The group's settings as librdkafka spells them. With ``consumer`` the broker decides about sessions."""
        given: dict[str, str | int | None] = {
            "group.id": self.group,
            "group.instance.id": self.group_instance_id,
            "group.protocol": self.group_protocol,
            "max.poll.interval.ms": int(self.max_poll_interval * 1000),
        }
        if self.group_protocol == "classic":
            given["partition.assignment.strategy"] = "cooperative-sticky"
            given["session.timeout.ms"] = int(self.session_timeout * 1000)
        return {name: value for name, value in given.items() if value is not None}


class RegistrySettings(Group):
    """The Avro schema registry (Confluent's API: its own, Apicurio's ``/apis/ccompat/v7``, Redpanda's)."""

    url: HttpAddress | None = None
    """Base address. Unset: an Avro record is a dead letter that says so."""
    username: str | None = None
    """Basic authentication's user."""
    password: SecretStr | None = None
    """Basic authentication's password."""
    timeout: Seconds = 5.0
    """Seconds to wait for a schema; each is asked for once."""


class BatchSettings(Group):
    """How change events become ClickHouse inserts."""

    flush_interval: Seconds = 0.5
    """Seconds that a change waits at most before its batch is planned. Smaller: fresher, more and smaller parts for
    ClickHouse to merge. Larger: fewer parts, staler numbers."""
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Rows of one insert. Above ClickHouse's ``max_insert_block_size`` an insert would be two blocks and no longer
    atomic, hence the bound."""
    max_pending_rows: Annotated[int, Field(ge=1, le=50_000_000)] = 1_000_000
    """Rows held in memory for ClickHouse, over all partitions (about 150 bytes each). Reading pauses above, and goes
    on below half."""
    poll_records: Annotated[int, Field(ge=1, le=100_000)] = 8_000
    """Records of one poll. Larger: cheaper per record; the loop turns more slowly."""
    poll_timeout: Seconds = 0.15
    """Seconds from one poll that brought records to the next. A record that comes alone is taken at once; of many that
    come one by one, those of so many seconds are taken together. Larger: less work; Redis is half of it staler."""

    @model_validator(mode="after")
    def _a_batch_fits(self) -> Self:
        if self.max_pending_rows < self.max_rows:
            raise ValueError(f"max_pending_rows must be at least max_rows, {self.max_rows}: one batch has to fit")
        return self


class ClickHouseSettings(Group):
    """Where the ClickHouse server is, and how it is spoken to."""

    host: str = "127.0.0.1"
    """Host of the HTTP interface."""
    port: Port = 8123
    """Port of the HTTP interface."""
    username: str = "default"
    """User; needs INSERT and SELECT, and CREATE and ALTER for ``crucible migrate``."""
    password: SecretStr = SecretStr("")
    """Password of the user."""
    database: str = "default"
    """Database that holds ``entityMetricEvents``."""
    secure: bool = False
    """HTTPS."""
    timeout: Seconds = 30.0
    """Seconds until an insert without an answer counts as one of unknown outcome."""
    deployment: Literal["single", "cluster", "cloud"] = "single"
    """What ``crucible migrate`` creates: MergeTree, ReplicatedMergeTree ON CLUSTER, or ClickHouse Cloud's tables."""
    cluster: str | None = None
    """Name of the cluster, for ``deployment = "cluster"``."""
    replica_path: str = "/clickhouse/tables/{shard}/{database}/{table}"
    """Keeper path of replicated tables; the braces are the server's own macros."""

    @model_validator(mode="after")
    def _a_cluster_has_a_name(self) -> Self:
        if self.deployment == "cluster" and not self.cluster:
            raise ValueError("deployment \"cluster\" needs cluster, the cluster's name in the server's configuration")
        return self


class RedisSettings(Group):
    """The Redis that holds ELO state."""

    url: RedisAddress = SecretStr("redis://127.0.0.1:6379/0")
    """Address, with password if any. Secret because it may hold one."""
    cluster: bool = False
    """Redis Cluster: keys of one crucible share a slot."""
    timeout: Seconds = 5.0
    """Seconds to wait for an answer before the call counts as failed and is made again."""


Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
"""A name in PostgreSQL that needs no quotes."""


class PostgresSettings(Group):
    """The site's PostgreSQL, where the watcher keeps a schema of its own."""

    dsn: PostgresAddress = SecretStr("postgresql://127.0.0.1:5432/postgres")
    """Connection string of libpq. Secret because it may hold a password."""
    watcher_schema: Identifier = "crucible_watcher"
    """Schema for the watcher's own tables: lower-case letters, digits and underscores, no digit first."""
    timeout: Seconds = 5.0
    """Seconds to wait for a connection, and for each statement; a server that falls silent is given twice as long."""


class ConnectSettings(Group):
    """Kafka Connect's REST API, for ``crucible connector`` and ``crucible doctor``; the daemon does not need it."""

    url: HttpAddress = "http://127.0.0.1:8083"
    """Address of any worker."""
    timeout: Seconds = 30.0
    """Seconds to wait for an answer."""


class DeadLetterSettings(Group):
    """Where refused records go, and when to stop instead."""

    topic: Topic = "crucible-watcher.dlq"
    """Dead-letter topic; made before the first letter, with one partition and without a retention, unless it exists."""
    consecutive: Annotated[int, Field(ge=1)] = 1_000
    """Dead letters in a row that are still believed to be the records' fault."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of dead letters among the last ``window`` records that is still believed."""
    window: Annotated[int, Field(ge=1)] = 10_000
    """Records over which the share is taken."""


class OpsSettings(Group):
    """Where probes and metrics are served."""

    host: str = "0.0.0.0"  # noqa: S104 - a probe comes from outside the container
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464
    """Port of ``/livez``, ``/readyz`` and ``/metrics``; 0 picks a free one and logs it."""
    loop_deadline: Seconds = 60.0
    """Seconds without a turn of the consumer loop until ``/livez`` fails."""
    stalled_after: Seconds = 120.0
    """Seconds without a record or heartbeat until a stream counts as stalled; several heartbeat intervals."""


class LogSettings(Group):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written."""
    format: Literal["auto", "console", "json"] = "auto"
    """``auto``: console on a terminal, one JSON object a line elsewhere."""


class ApiSettings(Group):
    """The vote API: role ``api`` or ``all``."""

    host: str = "0.0.0.0"  # noqa: S104 - judges come from outside the container
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
        """What role ``api`` needs of this group and is not set, a line each; it must not start without."""
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


class AdmissionSettings(Group):
    """Which entries judges may see."""

    sweep_interval: Seconds = 60.0
    """Seconds between two looks at the images of every entry that takes part, of all processes together. Shorter: an
    image that was hidden leaves the standings sooner, for more work of the site's database (a query per 20,000
    entries). It is never served in a pair: those are looked at once more."""


class VotesSettings(Group):
    """What becomes of votes after they count: the drain to ClickHouse, and the verifier of what Redis shows."""

    drain_interval: Seconds = 0.25
    """Seconds between two looks for votes to take to ClickHouse. Smaller: fresher numbers there, and less to lose if
    Redis is lost with its files; larger: fewer and larger inserts."""
    max_plan_votes: Annotated[int, Field(ge=1, le=200_000)] = 20_000
    """Votes of one insert, and hence in memory at a time (about a kilobyte each)."""
    verify_interval: Seconds = 60.0
    """Seconds between two looks at whether Redis holds every active crucible as it was last verified."""


class EntriesSettings(Group):
    """Which entries take part, and what becomes of their fees."""

    mode: Literal["enforce", "observe"] = "enforce"
    """``enforce`` keeps out who breaks a rule of the crucible, and gives fees back. ``observe`` writes and counts
    verdicts, keeps nobody out, and takes and gives back nothing: to see first what it would do beside a site that
    checks by itself."""
    charge: bool = False
    """Take the fee of entries that the site has not charged ("buzzTransactionId" is not set), in the role ``settle``.
    Off, such an entry is rejected as unpaid where the crucible has a fee."""
    sweep_interval: Seconds = 60.0
    """Seconds between two looks at all entries of all active crucibles, for images that were changed and whatever the
    change stream did not tell of. New entries do not wait for it. Shorter: changes take hold sooner, for more work of
    the site's database, which compares a number per entry and answers with those that differ."""


class EventsSettings(Group):
    """What other services are told in the topic ``crucible.events``."""

    keep_days: Annotated[int, Field(ge=1, le=3_650)] = 7
    """Days for which events stay in PostgreSQL. A connector that starts anew (debezium/events.json) sends all of them
    again. Fewer: one that was away for longer, and lost its slot, has lost what happened meanwhile; more: a larger
    table."""


class BuzzSettings(Group):
    """The books of Buzz, for the role ``settle`` alone."""

    books: Literal["service", "ledger"] = "service"
    """``service`` is the site's Buzz service; ``ledger`` a double-entry ledger in PostgreSQL, in a schema of the role
    that settles, for a site without one."""
    url: HttpAddress | None = None
    """The service's address, e.g. http://buzz.internal."""
    timeout: Seconds = 10.0
    """Seconds for an answer. Longer than that it is unknown whether Buzz moved, and it is looked up. Longer: a service
    that stands still is noticed later. Below a minute, for which a row of the outbox belongs to who took it."""
    ledger_schema: Identifier = "crucible_ledger"
    """The ledger's schema; debezium/postgres/settle.sql makes it."""


class NotifySettings(Group):
    """How users learn how a crucible has ended for them, for the role ``settle`` alone."""

    url: HttpAddress | None = None
    """Address of the site's notification service, e.g. http://notifications.internal. Unset: what users are told are
    rows of crucible_watcher.notice, from which the site shows them."""
    token: SecretStr | None = None
    """What the service wants to be shown (``Authorization: Bearer``)."""
    timeout: Annotated[float, Field(gt=0, lt=15)] = 10.0
    """Seconds for an answer to up to 1,000 notices. Longer than that it is unknown whether they were taken, and it is
    looked up. Longer: four rows of the outbox, which are taken at a time, may become somebody else's meanwhile."""


class SettlementSettings(Group):
    """How crucibles end, and what the site is told of them until then, in the role ``settle``."""

    mode: Literal["on", "off"] = "on"
    """``off`` leaves endings to somebody else: nothing is frozen, ranked or paid, and a cancelled crucible's setup fee
    is not given back, and no scores are written. Fees of entries are taken and given back all the same."""
    payouts: Literal["watcher", "external"] = "watcher"
    """Who pays the prizes. ``external``: positions, scores and prizes are written and told, and whoever follows the
    events of crucibles pays; nothing is paid here."""
    sweep_interval: Seconds = 5.0
    """Seconds between two looks at the ends of all crucibles. An end is acted upon when it comes, whatever this is; it
    is how late an end that was moved, and a cancel, are noticed."""
    fee_patience: Annotated[float, Field(ge=0)] = 600.0
    """Seconds after the freeze for which a result waits for fees of entries that are being taken. Whose fee has not
    come then does not take part, and gets it back if it still comes. Shorter: a slow Buzz service keeps out who came
    last; longer: the result comes later while it is away."""
    step_timeout: Seconds = 300.0
    """Seconds that PostgreSQL has for each statement of a step: the result of a million entries takes some tens."""
    checkpoint_interval: Seconds = 300.0
    """Seconds between two looks at all active crucibles, whose ratings and numbers of votes are written into
    "CrucibleEntry" where they have changed. Shorter: what the site shows is fresher, for an update, and a change event,
    of each entry that was judged in between."""


class SettleSettings(Group):
    """The role ``settle``: what moves money, in a process of its own with secrets of its own."""

    dsn: PostgresAddress | None = None
    """libpq's connection string as the database role of debezium/postgres/settle.sql. Not the watcher's: a process that
    faces the public must not be able to pay."""


class RunSettings(Group):
    """What this process is, and how it begins and ends."""

    role: Literal["watch", "api", "settle", "all"] = "watch"
    """``watch`` follows the change streams, ``api`` takes votes, ``settle`` moves money, ``all`` does everything in one
    process (``settle`` where settle.dsn is set): handy, but they share one interpreter and all secrets, so in
    production run three."""

    shutdown_deadline: Seconds = 25.0
    """Seconds after SIGTERM until nobody is waited for any more. All that ends shares them: what was taken is finished,
    then workers have what is left. Shorter: more is left for the next process to finish. Longer: connections, which are
    closed afterwards, need some of the 30 after which Kubernetes kills."""


class SettingsGroups(Group):
    """Everything, as the daemon and the CLI read it."""

    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    batch: BatchSettings = BatchSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    redis: RedisSettings = RedisSettings()
    postgres: PostgresSettings = PostgresSettings()
    connect: ConnectSettings = ConnectSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    api: ApiSettings = ApiSettings()
    admission: AdmissionSettings = AdmissionSettings()
    votes: VotesSettings = VotesSettings()
    entries: EntriesSettings = EntriesSettings()
    events: EventsSettings = EventsSettings()
    buzz: BuzzSettings = BuzzSettings()
    notify: NotifySettings = NotifySettings()
    settlement: SettlementSettings = SettlementSettings()
    settle: SettleSettings = SettleSettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _a_row_outlasts_its_request(self) -> Self:
        if self.buzz.timeout >= 30:  # a charge may ask twice, and the row must still be ours when it is answered
            raise ValueError(f"buzz.timeout: given {self.buzz.timeout:g}, expected less than 30 seconds")
        return self

    @model_validator(mode="after")
    def _letters_do_not_come_back(self) -> Self:
        letters, kafka = self.dead_letters.topic, self.kafka
        # Searched for, not matched from the start: `^a|b` finds b anywhere, in the client too.
        read = [one for one in kafka.topics if one == letters or (one.startswith("^") and re.search(one, letters))]
        found = f"is read through {read[0]!r} of kafka.topics" if read else "is kafka.heartbeat_topic"
        if read or letters == kafka.heartbeat_topic:
            raise ValueError(
                f"dead_letters.topic {letters!r} {found}: each letter would be read, refused and sent again for ever; "
                "name a topic of its own"
            )
        return self
