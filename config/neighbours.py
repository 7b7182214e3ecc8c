"""Where the neighbours are, and how they are spoken to."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from config.addresses import Host, HttpAddress, PostgresAddress, RedisAddress
from config.group import Group, Names, Port, Seconds
from config.topics import TOPICS


def _topic(name: str) -> str:
    """Return a name that Kafka takes; another one is refused by every broker, in a warning or not at all."""
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) or name in (".", ".."):
        raise ValueError(f"{name!r} is no name of a topic: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed")
    return name


Topic = Annotated[str, AfterValidator(_topic)]


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
        """Return the connection's settings as librdkafka spells them, the password in the clear: never log them."""
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
        """Return the group's settings as librdkafka spells them; with ``consumer`` the broker decides on sessions."""
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


class ClickHouseSettings(Group):
    """Where the ClickHouse server is, and how it is spoken to."""

    host: Host = "127.0.0.1"
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
    reader_dsn: PostgresAddress | None = None
    """Connection string of a streaming replica, from which comparisons read whole tables (``crucible reconcile``, and
    by turns); its role needs to read what ``dsn``'s does. It may be behind: what it shows otherwise is looked at where
    ``dsn`` points before it is told, and only that is mended. Unset: ``dsn``."""
    watcher_schema: Identifier = "crucible_watcher"
    """Schema for the watcher's own tables: lower-case letters, digits and underscores, no digit first."""
    timeout: Seconds = 5.0
    """Seconds to wait for a connection, and for each statement; a server that falls silent is given twice as long."""


class ConnectSettings(Group):
    """Kafka Connect's REST API, for ``crucible connector`` and ``doctor``; where it is set, ``watch`` asks too."""

    url: HttpAddress = "http://127.0.0.1:8083"
    """Address of any worker."""
    timeout: Seconds = 30.0
    """Seconds to wait for an answer."""
    connectors: Names = ("crucible", "crucible-events")
    """Connectors that the role ``watch`` looks after; one that is not there is not missed."""
    restart_failed: bool = True
    """Start tasks that have failed once more: after 15 seconds, then after waits twice as long each, six times an hour
    at most. What somebody has paused or stopped is left alone. Needs ``url`` to be set; false: nobody looks."""

    @property
    def looked_after(self) -> bool:
        """Return whether the daemon looks after the connectors: the address was given, and not merely left as it is."""
        return self.restart_failed and "url" in self.model_fields_set
