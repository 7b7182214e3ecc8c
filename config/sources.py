"""Where settings come from, strongest first: command line, environment, secrets directory, file. Then the defaults."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from config.keys import PREFIX, keys, nearest

CONFIG_FILE = f"{PREFIX}CONFIG"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
OUTSIDE = frozenset({CONFIG_FILE, SECRETS_DIR, f"{PREFIX}FAILPOINT", f"{PREFIX}CACHE", f"{PREFIX}TEST_CLICKHOUSE_URL"})
"""Variables of ours that are not settings."""
CONNECTOR = f"{PREFIX}DEBEZIUM_"
"""Beginning of the variables that the connector files refer to; Kafka Connect reads them, not we."""

SERVICE_LINK: Final = re.compile(
    r".+(_SERVICE_HOST|_SERVICE_PORT(_.+)?|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.DOTALL
)
"""Names of the variables with which Kubernetes tells every container of a pod where the services of its namespace are:
that of a service ``crucible-api`` begin like our own."""
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://.*", re.DOTALL)
"""What it puts into ``..._PORT``."""

TEXT: Final = "utf-8-sig"
"""Of files: some editors begin them with a mark that nobody sees, and a password with it is another one."""

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

    def _load_env_vars(self) -> Mapping[str, str | None]:
        """Return the variables that may be settings, which a service's are not, whatever its name is.

        A line break at the end is none of the value: a variable that is taken from a mounted secret often has one.
        """
        return {
            name: value and value.rstrip("\r\n")
            for name, value in super()._load_env_vars().items()
            if not is_service_link(name, value)
        }


class Read(PydanticBaseSettingsSource):
    """Values that were read already."""

    def __init__(self, settings: type[BaseSettings], tree: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one field's value, as the library asks for it."""
        del field
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        """Return the values of all groups, as the library asks for them."""
        return dict(self._tree)


def read_file(environ: Mapping[str, str]) -> Given:
    """Return the TOML file that ``CRUCIBLE_CONFIG`` names."""
    name = environ.get(CONFIG_FILE)
    if name is None:
        return Given()
    if not name:  # as a path it would be the current folder
        return Given(faults=[f"{CONFIG_FILE}: given '', the path of a TOML file is allowed; name one, or unset it"])
    try:
        return Given(tomllib.loads(Path(name).read_text(encoding=TEXT)))
    except OSError as error:
        return Given(
            faults=[f"{CONFIG_FILE}: given {name!r}, {error.strerror}; name a file that can be read, or unset it"]
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Given(faults=[f"{CONFIG_FILE}: given {name!r}, which is not TOML: {error}"])


def read_secrets(environ: Mapping[str, str]) -> Given:
    """Return the directory that ``CRUCIBLE_SECRETS_DIR`` names: one file a setting, e.g. ``kafka__sasl_password``.

    It may be somebody else's too: a mounted secret has what others need of it, links beginning with two dots, folders.
    Of a name that is no setting's only one that was meant to be is a fault.
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
    except OSError as error:
        given.faults.append(f"{SECRETS_DIR}: given {name!r}, which cannot be read: {error.strerror}")
        return given
    for file in files:
        path = known.get(file.name.lower())
        if path is None:
            if _was_meant_for_us(file.name, known):
                given.faults.append(f"{file}: no setting has this name; {nearest(_plain(file.name), known)}")
            continue
        try:
            cast("Tree", given.tree.setdefault(path[0], {}))[path[-1]] = _secret(file)
        except OSError as error:
            given.faults.append(f"{file}: cannot be read: {error.strerror}")
        except ValueError as error:
            given.faults.append(f"{file}: {error}")
    return given


def _secret(file: Path) -> str:
    """Return what a file holds, without the break of its last line.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds something else than text.
    """
    try:
        text = file.read_text(encoding=TEXT)
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8") from None
    if "\0" in text:
        raise ValueError("has a byte 0, which no setting has")
    return text.rstrip("\r\n")


def _was_meant_for_us(name: str, known: Iterable[str]) -> bool:
    """Return whether a file's name begins like one of ours, or is nearly one.

    >>> [_was_meant_for_us(name, ["kafka__group"]) for name in ("kafka__gruop", "kafka.group", "tls.crt", "password")]
    [True, True, False, False]
    """
    plain = _plain(name)
    group, found, _ = plain.partition("__")
    if found and group in {one.partition("__")[0] for one in known}:
        return True
    return bool(difflib.get_close_matches(plain, known, n=1, cutoff=0.8))


def _plain(name: str) -> str:
    """Return a file's name in the letters of ours, which others write with dots, hyphens or our prefix."""
    return re.sub(r"[.-]", "_", name.lower()).removeprefix(PREFIX.lower())


def is_service_link(name: str, value: str | None) -> bool:
    """Return whether Kubernetes has set a variable, to tell of a service.

    >>> is_service_link("CRUCIBLE_API_SERVICE_HOST", "10.0.0.7")
    True
    >>> is_service_link("CRUCIBLE_API_PORT", "tcp://10.0.0.7:80"), is_service_link("CRUCIBLE_API_PORT", "8080")
    (True, False)
    """
    shouted = name.upper()
    if shouted in {key.variable for key in keys()}:
        return False
    if shouted.endswith("_PORT") and _SERVICE_ADDRESS.fullmatch(value or ""):
        return True
    return SERVICE_LINK.fullmatch(shouted) is not None


def unknown_variables(environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Variables with our prefix that set nothing: the path that they would have, and a line about each.

    A misspelt setting would leave a default in force. What Kubernetes sets for services is no setting.
    """
    known = {key.variable for key in keys()}
    groups = {PREFIX + key.path[0].upper() for key in keys()}
    unknown = {}
    for name in sorted(environ):
        shouted = name.upper()
        if shouted in known | groups | OUTSIDE or shouted.startswith(CONNECTOR):
            continue
        if is_service_link(name, environ[name]):
            continue
        if shouted.startswith(PREFIX):
            path = tuple(shouted.removeprefix(PREFIX).lower().split("__"))
            unknown[path] = f"{name}: no setting has this name; {nearest(shouted, known)}"
    return unknown
