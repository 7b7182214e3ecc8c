"""Which settings of a connector would change, shown without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from watcher.admin.connector.secrets import shown


@dataclass(frozen=True, slots=True)
class SettingChange:
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


def changed_settings(running: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[SettingChange, ...]:
    """Return the settings that differ, by key. The name is no setting.

    >>> [str(change) for change in changed_settings({"a": "1", "b": "2", "name": "n"}, {"b": "3", "c": "4"})]
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
            SettingChange(key, kind, None if old is None else shown(key, old), None if new is None else shown(key, new))
        )
    return tuple(changes)
