"""The settings: ``load()`` reads them once; modules receive the values that they need, never all of them."""

from config.example import schema
from config.load import ConfigError, Settings, Shown, load, show
from config.settings import (
    ApiSettings,
    BatchSettings,
    ClickHouseSettings,
    ConnectSettings,
    DeadLetterSettings,
    KafkaSettings,
    LogSettings,
    OpsSettings,
    PostgresSettings,
    RedisSettings,
    RegistrySettings,
    RunSettings,
    listed,
)

__all__ = [
    "ApiSettings",
    "BatchSettings",
    "ClickHouseSettings",
    "ConfigError",
    "ConnectSettings",
    "DeadLetterSettings",
    "KafkaSettings",
    "LogSettings",
    "OpsSettings",
    "PostgresSettings",
    "RedisSettings",
    "RegistrySettings",
    "RunSettings",
    "Settings",
    "Shown",
    "listed",
    "load",
    "schema",
    "show",
]
