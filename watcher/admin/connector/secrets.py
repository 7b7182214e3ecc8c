"""Secrets in a connector's settings, and how to show settings and texts without them."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from watcher.telemetry.redaction import HIDDEN, redact

# A key's last word says what it holds: `database.sslkey`, `access.key`; `key.converter` holds no secret, nor does
# the event router's `table.field.event.key`, which names a column.
_SECRET: Final = re.compile(
    r"password|passwd|passphrase|secret|credential|token|jaas|user\.info|(?:^|(?<!field\.event)[._-]|ssl|api)key$",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(r"\$\{[^{}]*\}")


def is_secret(key: str) -> bool:
    """Return whether a setting of this name may hold a secret.

    >>> [is_secret(key) for key in ("database.password", "database.sslkey", "key.converter", "message.key.columns")]
    [True, True, False, False]
    """
    return _SECRET.search(key) is not None


def shown(key: str, value: str) -> str:
    """Return a setting's value, fit to be shown. A reference such as ``${file:/run/pg:password}`` is no secret.

    >>> shown("database.password", "hunter2"), shown("database.password", "${env:PGPASSWORD}")
    ('***', '${env:PGPASSWORD}')
    """
    if is_secret(key):
        return value if _REFERENCE.fullmatch(value) else HIDDEN
    return redact(value)


def without_secrets(text: str, configs: Iterable[Mapping[str, str]]) -> str:
    """Return a text that others wrote without the secrets that these configurations hold in clear."""
    for config in configs:
        for key, value in config.items():
            if is_secret(key) and len(value) > 2 and not _REFERENCE.fullmatch(value):
                text = text.replace(value, HIDDEN)
    return redact(text)
