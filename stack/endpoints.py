"""Where the parts of a stack are, as values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses and credentials of the parts that a stack has; None for those that it has not."""

    postgres_host: str | None = None
    postgres_port: int | None = None
    postgres_user: str | None = None
    postgres_password: str | None = field(default=None, repr=False)
    postgres_database: str | None = None
    bootstrap_servers: str | None = None
    connect_url: str | None = None
    connect_secrets_file: str | None = None
    """Properties file that connector files may refer to as ``${file:<this>:<name>}``."""
    registry_url: str | None = None
    """Confluent-compatible root, as clients of a schema registry want it."""
    redis_url: str | None = None
    clickhouse_host: str | None = None
    clickhouse_port: int | None = None
    clickhouse_user: str | None = None
    clickhouse_password: str | None = field(default=None, repr=False)
    clickhouse_database: str | None = None

    @property
    def postgres_dsn(self) -> str | None:
        """Connection string of the superuser, password included."""
        if self.postgres_host is None:
            return None
        who = f"{self.postgres_user}:{self.postgres_password}"
        return f"postgresql://{who}@{self.postgres_host}:{self.postgres_port}/{self.postgres_database}"

    def environ(self) -> dict[str, str]:
        """Return the variables that point the watcher at this stack; parts that are absent set none."""
        values = {
            "CRUCIBLE_POSTGRES__DSN": self.postgres_dsn,
            "CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "CRUCIBLE_CONNECT__URL": self.connect_url,
            "CRUCIBLE_REGISTRY__URL": self.registry_url,
            "CRUCIBLE_REDIS__URL": self.redis_url,
            "CRUCIBLE_CLICKHOUSE__HOST": self.clickhouse_host,
            "CRUCIBLE_CLICKHOUSE__PORT": self.clickhouse_port,
            "CRUCIBLE_CLICKHOUSE__USERNAME": self.clickhouse_user,
            "CRUCIBLE_CLICKHOUSE__PASSWORD": self.clickhouse_password,
            "CRUCIBLE_CLICKHOUSE__DATABASE": self.clickhouse_database,
        }
        return {name: str(value) for name, value in values.items() if value is not None}
