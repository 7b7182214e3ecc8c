"""The role that a command line names, which is stronger than ``run.role``."""

from enum import StrEnum


class Role(StrEnum):
    """What a process may do."""

    WATCH = "watch"
    """Follow the change streams into ClickHouse and Redis."""
    API = "api"
    """Serve pairs, votes and standings over HTTP."""
    SETTLE = "settle"
    """Move money: collect fees and give them back."""
    ALL = "all"
    """All of them, in one process."""


def as_settings(role: Role | None) -> dict[str, dict[str, str]]:
    """Return what the command line gives, as settings are loaded with it."""
    return {} if role is None else {"run": {"role": role.value}}
