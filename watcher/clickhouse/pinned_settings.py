"""Settings that a request has to have, and that a profile of ClickHouse's administrator may keep it from having.

The driver refuses to send one that the server does not let it change, in an error of its own; and left out, an insert
would be something else than the watcher takes it for.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import INSERT_SETTINGS, READ_SETTINGS
from watcher.model.errors import UnfitError

_OF_EACH_INSERT: Final = "insert_deduplication_token"
"""A setting that differs for each insert, so that no value of a profile would do."""


class PinnedSettingError(UnfitError):
    """Raised when ClickHouse keeps a setting from being what a request needs."""


def check_settings(client: Client) -> None:
    """Check that requests may have the settings that they need.

    Raises:
        PinnedSettingError: names each that they may not, and what to do.
    """
    if found := list(pinned_settings(client)):
        raise PinnedSettingError(f"clickhouse: {'; '.join(found)}. {ADVICE}")


ADVICE: Final = (
    "Take them out of the constraints of the user's profile (readonly, CONST), or give clickhouse.username a profile "
    "of its own: ALTER USER ... SETTINGS PROFILE ..."
)


def pinned_settings(client: Client) -> Iterator[str]:
    """Yield a sentence for each setting that cannot be what is needed; one that is just that may be pinned."""
    needed: Mapping[str, Any] = {**INSERT_SETTINGS, **READ_SETTINGS, _OF_EACH_INSERT: None}
    for name, value in needed.items():
        known = client.server_settings.get(name)
        if known is None or not int(known.readonly) or (value is not None and str(known.value) == str(value)):
            continue
        wanted = "another one for each insert" if value is None else str(value)
        yield f"{name} is pinned to {known.value!r} for this user, needed is {wanted}"
