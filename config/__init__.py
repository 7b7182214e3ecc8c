"""The settings: ``load()`` reads them once; modules receive the values that they need, never all of them."""

from config.example import schema
from config.load import ConfigError, Settings, Shown, load, show
from config.settings import (
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
)

__all__ = [
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
    "load",
    "schema",
    "show",
]
