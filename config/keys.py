"""Every setting by name: ``kafka.group`` in files and messages, ``CRUCIBLE_KAFKA__GROUP`` in the environment."""

import difflib
import re
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from config.settings import SettingsGroups

PREFIX = "CRUCIBLE_"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingKey:
    """A setting: where it stands in the tree of groups, and its field with type, default and unit."""

    path: Path
    field: FieldInfo

    @property
    def dotted(self) -> str:
        """Return the setting's name in messages: ``kafka.group``."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """Return the setting's name in the environment."""
        return PREFIX + "__".join(self.path).upper()

    @property
    def secret(self) -> bool:
        """Return whether its value must not be shown."""
        return SecretStr in (self.field.annotation, *typing.get_args(self.field.annotation))


def keys(model: type[BaseModel] = SettingsGroups, path: Path = ()) -> Iterator[SettingKey]:
    """Yield every setting, in the order of declaration."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from keys(annotation, (*path, name))
        else:
            yield SettingKey((*path, name), field)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: what was probably meant, or where to look."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"did you mean {close[0]}?" if close else "`crucible config schema` lists all that there are"


def without_secrets(value: Any) -> Any:
    """Return an address without what it may carry to be let in: user and password, and the values of its query.

    >>> without_secrets("http://admin:pw@registry:8080/apis")
    'http://***@registry:8080/apis'
    >>> without_secrets("https://keys.example.com/jwks?site=7&key=k3y")
    'https://keys.example.com/jwks?site=***&key=***'
    """
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    user, at, place = rest.rpartition("@")
    if re.search(r"[?#]", user):  # the @ is one of the query's, or of a password: nothing tells which
        return f"{scheme}://***"
    place, mark, query = re.match(r"([^?#]*)([?#]?)(.*)", place, re.DOTALL).groups()  # type: ignore[union-attr] # always
    return f"{scheme}://{'***@' if at else ''}{place}{mark}{_PARAMETER.sub(_without_value, query)}"


_PARAMETER: Final = re.compile(r"[^&;#]+")


def _without_value(parameter: re.Match[str]) -> str:
    name, equals, _ = parameter[0].partition("=")
    return f"{name}=***" if equals else "***"
