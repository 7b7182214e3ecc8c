"""Where settings come from, strongest first: command line, environment, secrets directory, file. Then the defaults."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from config.keys import PREFIX, keys, nearest

CONFIG_FILE = f"{PREFIX}CONFIG"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
OUTSIDE = frozenset({CONFIG_FILE, SECRETS_DIR, f"{PREFIX}FAILPOINT", f"{PREFIX}CACHE", f"{PREFIX}TEST_CLICKHOUSE_URL"})
"""Variables of ours that are not settings."""
CONNECTOR = f"{PREFIX}DEBEZIUM_"
"""Beginning of the variables that the connector files refer to; Kafka Connect reads them, not we."""

Tree = dict[str, Any]


@dataclass(slots=True)
class Given:
    """The values of one source as a tree, and what is wrong with the source itself, a line each."""

    tree: Tree = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class Environment(EnvSettingsSource):
    """Variables. Text that is no JSON is passed on as it is: the setting's own check then names the key."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON where it is JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class Read(PydanticBaseSettingsSource):
    """Values that were read already."""

    def __init__(self, settings: type[BaseSettings], tree: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One field's value, as the library asks for it."""
        del field
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        """Return the values of all groups, as the library asks for them."""
        return dict(self._tree)


def read_file(environ: Mapping[str, str]) -> Given:
    """The TOML file that ``CRUCIBLE_CONFIG`` names."""
    name = environ.get(CONFIG_FILE)
    if name is None:
        return Given()
    if not name:  # as a path it would be the current folder
        return Given(faults=[f"{CONFIG_FILE}: given '', the path of a TOML file is allowed; name one, or unset it"])
    try:
        return Given(tomllib.loads(Path(name).read_text(encoding="utf-8")))
    except OSError as error:
        return Given(
            faults=[f"{CONFIG_FILE}: given {name!r}, {error.strerror}; name a file that can be read, or unset it"]
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Given(faults=[f"{CONFIG_FILE}: given {name!r}, which is not TOML: {error}"])


def read_secrets(environ: Mapping[str, str]) -> Given:
    """The directory that ``CRUCIBLE_SECRETS_DIR`` names: one file a setting, e.g. ``kafka__sasl_password``.

    Names beginning with a dot are passed over; orchestrators keep their own bookkeeping there.
    """
    name = environ.get(SECRETS_DIR)
    given = Given()
    if name is None:
        return given
    if not name:
        given.faults.append(f"{SECRETS_DIR}: given '', the path of a directory is allowed; name one, or unset it")
        return given
    known = {"__".join(key.path): key.path for key in keys()}
    try:
        files = sorted(file for file in Path(name).iterdir() if not file.name.startswith("."))
        for file in files:
            path = known.get(file.name.lower())
            if path is None:
                given.faults.append(f"{file}: no setting has this name; {nearest(file.name, known)}")
                continue
            group = cast("Tree", given.tree.setdefault(path[0], {}))
            group[path[-1]] = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        given.faults.append(f"{SECRETS_DIR}: given {name!r}, which cannot be read: {error}")
    return given


def unknown_variables(environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Variables with our prefix that set nothing: the path that they would have, and a line about each."""
    known = {key.variable for key in keys()}
    groups = {PREFIX + key.path[0].upper() for key in keys()}
    unknown = {}
    for name in sorted(environ):
        shouted = name.upper()
        if shouted in known | groups | OUTSIDE or shouted.startswith(CONNECTOR):
            continue
        if shouted.startswith(PREFIX):
            path = tuple(shouted.removeprefix(PREFIX).lower().split("__"))
            unknown[path] = f"{name}: no setting has this name; {nearest(shouted, known)}"
    return unknown
