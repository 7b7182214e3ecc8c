"""The settings: ``load()`` reads them once; modules receive the values that they need, never all of them."""

from config.example import schema
from config.load import ConfigError, Settings, ShownSetting, load, show
from config.neighbours import (
    ClickHouseSettings,
    ConnectSettings,
    KafkaSettings,
    PostgresSettings,
    RedisSettings,
    RegistrySettings,
)
from config.process import BatchSettings, DeadLetterSettings, LogSettings, OpsSettings, RunSettings
from config.roles import FOLLOWS_CHANGES, faults_of_role, require_role
from config.vote_api import ApiSettings, listed

__all__ = [
    "FOLLOWS_CHANGES",
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
    "ShownSetting",
    "faults_of_role",
    "listed",
    "load",
    "require_role",
    "schema",
    "show",
]
