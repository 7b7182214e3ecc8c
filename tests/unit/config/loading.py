"""Loads settings, and returns what tests look at."""

import pytest
from pydantic import SecretStr

import config


def faults() -> list[str]:
    """The lines of the error that loading ends in."""
    with pytest.raises(config.ConfigError) as raised:
        config.load()
    return str(raised.value).splitlines()


def setting(variable: str) -> str:
    """Return what is loaded of a variable, as it was written."""
    group, _, name = variable.removeprefix("CRUCIBLE_").lower().partition("__")
    loaded = getattr(getattr(config.load(), group), name)
    if isinstance(loaded, tuple):
        return ",".join(loaded)
    return str(loaded.get_secret_value() if isinstance(loaded, SecretStr) else loaded)
