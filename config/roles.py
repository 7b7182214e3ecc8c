"""What a role needs of the settings, each of which is well by itself: told before anything is begun."""

from collections.abc import Iterator
from typing import Final

from config.load import ConfigError, Settings

FOLLOWS_CHANGES: Final = frozenset({"watch", "all"})
"""Roles that read the change streams."""
VOTES: Final = frozenset({"api", "all"})
"""Roles that take votes."""


def require_role(settings: Settings) -> None:
    """Let settings pass with which ``run.role`` can do its work.

    Raises:
        ConfigError: something is missing, or does not go together; a line for each key.
    """
    if lines := list(faults_of_role(settings)):
        raise ConfigError("\n".join(lines))


def faults_of_role(settings: Settings) -> Iterator[str]:
    """Yield what keeps ``run.role`` from its work, a line each."""
    role = settings.run.role
    if role in VOTES:
        yield from settings.api.lacks()
        if settings.redis.cluster:
            yield (
                "redis.cluster (CRUCIBLE_REDIS__CLUSTER): given True, and the API speaks to one Redis, not to a "
                "cluster; the watch role does both"
            )
    if role == "settle" or (role == "all" and settings.settle.dsn is not None):
        yield from _of_settling(settings)


def _of_settling(settings: Settings) -> Iterator[str]:
    if settings.settle.dsn is None:
        yield (
            "settle.dsn (CRUCIBLE_SETTLE__DSN): not set; expected a connection string as the role that "
            "debezium/postgres/settle.sql makes"
        )
    if settings.buzz.books == "service" and settings.buzz.url is None:
        yield (
            "buzz.url (CRUCIBLE_BUZZ__URL): not set; expected the address of the Buzz service, or buzz.books = "
            '"ledger" for books in PostgreSQL'
        )
    if settings.notify.url is not None and settings.notify.token is None:
        yield "notify.token (CRUCIBLE_NOTIFY__TOKEN): not set; expected the token of the notification service"
