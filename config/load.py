"""Reads settings once: command line, environment, secrets directory, file, defaults, in that order of weight."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from config.settings import SettingsGroups

PREFIX = "CRUCIBLE_"
CONFIG_FILE = f"{PREFIX}CONFIG"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
OUTSIDE = frozenset({CONFIG_FILE, SECRETS_DIR, f"{PREFIX}FAILPOINT", f"{PREFIX}CACHE", f"{PREFIX}TEST_CLICKHOUSE_URL"})
"""Variables of ours that are not settings."""


class ConfigError(Exception):
    """Settings that cannot be used. The message lists every fault at once: key, what was given, what is allowed."""


class Settings(SettingsGroups, BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; the environment is asked at call time, so that tests and tools can give their own."""
        sources = [init_settings, env_settings]
        if secrets := os.environ.get(SECRETS_DIR):
            sources.append(
                NestedSecretsSettingsSource(
                    file_secret_settings, secrets_dir=secrets, secrets_nested_delimiter="__", env_prefix=""
                )
            )
        if file := os.environ.get(CONFIG_FILE):
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=Path(file)))
        return tuple(sources)


def load(**overrides: Any) -> Settings:
    """Read the settings of this process.

    Args:
        overrides: groups given by the command line, e.g. ``kafka={"group": "other"}``.

    Raises:
        ConfigError: a file is missing, a key unknown or a value not allowed. Says all of it in one message.
    """
    faults = [*_missing_files(), *_unknown_variables(os.environ)]
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        faults += [_fault(one) for one in error.errors()]
    except Exception as error:  # noqa: BLE001 - a source may fail in its parser's own way
        faults.append(f"{type(error).__name__}: {error}")
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    return settings


def keys(model: type[BaseModel] = SettingsGroups, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every setting, e.g. ``("kafka", "group")``."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from keys(annotation, (*path, name))
        else:
            yield (*path, name)


def _missing_files() -> Iterator[str]:
    for variable, exists in ((CONFIG_FILE, os.path.isfile), (SECRETS_DIR, os.path.isdir)):
        given = os.environ.get(variable)
        if given is not None and not exists(given):
            yield f"{variable}: given {given!r}, which does not exist; name an existing path or unset it"


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = {PREFIX + "__".join(path).upper() for path in keys()} | OUTSIDE
    groups = {PREFIX + path[0].upper() for path in keys()}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name.upper() not in known | groups:
            yield f"{name}: unknown setting{_nearest(name.upper(), known)}"


def _nearest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; `crucible config schema` lists all"


def _fault(error: Any) -> str:
    path = tuple(str(part) for part in error["loc"])
    name = ".".join(path)
    if error["type"] == "extra_forbidden":
        dotted = {".".join(key) for key in keys()}
        return f"{name}: unknown setting{_nearest(name, dotted)}"
    secret = any(word in name for word in ("password", "dsn", "url"))
    given = "(hidden)" if secret else repr(error["input"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{name or 'settings'}: given {given}, {message[0].lower()}{message[1:]}"


__all__ = ["ConfigError", "Settings", "keys", "load"]
