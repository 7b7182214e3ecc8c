"""Reads the settings once, names every fault at once, and remembers where each value came from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.keys import PREFIX, Path, SettingKey, keys, nearest, without_secrets
from config.settings import SettingsGroups
from config.sources import CONFIG_FILE, SECRETS_DIR, Environment, Read, Tree, read_file, read_secrets, unknown_variables

HIDDEN = "(hidden)"


class ConfigError(Exception):
    """Settings that cannot be used. The message has a line for each fault: key, what was given, what is allowed."""


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
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources, strongest first; each is read at the call, so that tests can give their own."""
        return (
            init_settings,
            Environment(settings_cls),
            Read(settings_cls, read_secrets(os.environ).tree),
            Read(settings_cls, read_file(os.environ).tree),
        )


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting as it may be shown."""

    key: str
    value: Any
    origin: str
    """The source that decided."""


def load(**overrides: Any) -> Settings:
    """Read the settings of this process.

    Args:
        overrides: groups given by the command line, e.g. ``kafka={"group": "other"}``.

    Raises:
        ConfigError: a file is missing, a key unknown or a value not allowed. Says all of it in one message.
    """
    lines = [*read_file(os.environ).faults, *read_secrets(os.environ).faults]
    unknown = unknown_variables(os.environ)
    lines += unknown.values()
    settings = None
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        origins = _origins(overrides)
        for one in error.errors():
            path = tuple(str(part) for part in one["loc"])
            if path not in unknown:
                lines.append(_fault(path, one, origins))
    if lines or settings is None:
        raise ConfigError("\n".join(dict.fromkeys(lines)))
    return settings


def show(settings: Settings, **overrides: Any) -> list[ShownSetting]:
    """Return every setting with the source that decided it; secrets hidden.

    Args:
        settings: what ``load`` returned.
        overrides: what ``load`` was given.
    """
    origins = _origins(overrides)
    shown = []
    for key in keys():
        value = getattr(getattr(settings, key.path[0]), key.path[1])
        shown.append(ShownSetting(key.dotted, _presentable(value), origins.get(key.path, "default")))
    return shown


def _presentable(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    return list(value) if isinstance(value, tuple) else without_secrets(value)


def _origins(overrides: Mapping[str, Any]) -> dict[Path, str]:
    """Return the strongest source of each setting that any source gives."""
    secrets, file = os.environ.get(SECRETS_DIR), os.environ.get(CONFIG_FILE)
    weakest_first: list[tuple[str, Tree]] = [
        (f"file {file}", read_file(os.environ).tree),
        (f"secrets directory {secrets}", read_secrets(os.environ).tree),
        ("environment", Environment(Settings)()),
        ("command line", dict(overrides)),
    ]
    return {
        path: origin
        for origin, tree in weakest_first
        for group, values in tree.items()
        for path in ([(group, name) for name in values] if isinstance(values, Mapping) else [(group,)])
    }


def _fault(path: Path, error: Any, origins: Mapping[Path, str]) -> str:
    """Return a fault as one line that says where the value came from, so that nobody has to look that up."""
    known = {key.path: key for key in keys()}
    key = known.get(path) or known.get(path[:2])
    name = ".".join(path)
    where = f" in {origins[path]}" if path in origins else ""
    if error["type"] == "extra_forbidden":
        return f"{name}{where}: no setting has this name; {nearest(name, (each.dotted for each in known.values()))}"
    if error["type"] == "model_type":
        return (
            f"{name}{where}: one value is given where several settings belong; a TOML table or JSON object is allowed"
        )
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if error["type"] == "string_pattern_mismatch" and key is not None and key.field.description:
        message = f"allowed is: {key.field.description.partition('. ')[0].strip().removesuffix('.')}"
    if key is not None and _is_empty(error["input"]):
        message += "; an empty value is not the default: unset it for that"
    if key is None:  # how two settings fit together: the message names both, and the input may hold secrets
        return f"{name or 'settings'}: {message}"
    return f"{key.dotted} ({key.variable}): given {_given(key, error['input'])}{where}, {message}"


def _is_empty(value: Any) -> bool:
    return (value.get_secret_value() if isinstance(value, SecretStr) else value) == ""


def _given(key: SettingKey, value: Any) -> str:
    return HIDDEN if key.secret else repr(without_secrets(value))
