"""What would change about a connector, shown without its secrets. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from watcher.telemetry.redaction import HIDDEN, redact

# A key's last word says what it holds: `database.sslkey`, `access.key`; `key.converter` holds no secret.
_SECRET: Final = re.compile(
    r"password|passwd|passphrase|secret|credential|token|jaas|user\.info|(?:^|[._-]|ssl|api)key$", re.IGNORECASE
)
_REFERENCE: Final = re.compile(r"\$\{[^{}]*\}")
_INTERESTING_TRACE: Final = re.compile(r"^(?:Caused by: )?\S+(?:Exception|Error)\b.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs between what runs and what is wanted; both values fit to be shown."""

    key: str
    kind: Literal["added", "changed", "removed"]
    old: str | None
    new: str | None

    def __str__(self) -> str:
        match self.kind:
            case "added":
                return f"+ {self.key} = {self.new}"
            case "removed":
                return f"- {self.key} = {self.old}"
            case _:
                return f"~ {self.key}: {self.old} -> {self.new}"


def is_secret(key: str) -> bool:
    """Whether a setting of this name may hold a secret.

    >>> [is_secret(key) for key in ("database.password", "database.sslkey", "key.converter", "message.key.columns")]
    [True, True, False, False]
    """
    return _SECRET.search(key) is not None


def shown(key: str, value: str) -> str:
    """A setting's value, fit to be shown. A reference such as ``${file:/run/pg:password}`` is no secret.

    >>> shown("database.password", "hunter2"), shown("database.password", "${env:PGPASSWORD}")
    ('***', '${env:PGPASSWORD}')
    """
    if is_secret(key):
        return value if _REFERENCE.fullmatch(value) else HIDDEN
    return redact(value)


def diff(running: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[Change, ...]:
    """The settings that differ, by key. The name is no setting.

    >>> [str(change) for change in diff({"a": "1", "b": "2", "name": "n"}, {"b": "3", "c": "4"})]
    ['- a = 1', '~ b: 2 -> 3', '+ c = 4']
    """
    changes = []
    for key in sorted(running.keys() | wanted.keys()):
        old, new = running.get(key), wanted.get(key)
        if key == "name" or old == new:
            continue
        kind: Literal["added", "changed", "removed"] = "changed"
        if old is None:
            kind = "added"
        elif new is None:
            kind = "removed"
        changes.append(
            Change(key, kind, None if old is None else shown(key, old), None if new is None else shown(key, new))
        )
    return tuple(changes)


def without_secrets(text: str, configs: Iterable[Mapping[str, str]]) -> str:
    """A text that others wrote, without the secrets that these configurations hold in clear."""
    for config in configs:
        for key, value in config.items():
            if is_secret(key) and len(value) > 2 and not _REFERENCE.fullmatch(value):
                text = text.replace(value, HIDDEN)
    return redact(text)


def short_trace(trace: str) -> str:
    r"""The lines of a Java stack trace that say what happened: the error and what caused it.

    >>> print(short_trace("a.ConnectException: no\n\tat x.Y(Z.java:1)\nCaused by: b.IOError: gone\n\tat x"))
    a.ConnectException: no
    Caused by: b.IOError: gone
    """
    lines = _INTERESTING_TRACE.findall(trace)
    return "\n".join(dict.fromkeys(lines)) or trace.strip().partition("\n")[0]
