"""A connector file: what Kafka Connect shall run, under which name."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from watcher.model.errors import WatcherError


class ConnectorFileError(WatcherError):
    """Raised when a connector file, or what was laid over it, cannot be used."""


@dataclass(frozen=True, slots=True)
class ConnectorFile:
    """A connector's name and its settings, all of them text as Kafka Connect wants them."""

    name: str
    config: Mapping[str, str]


def parse_connector_file(
    text: str, *, name: str | None = None, overlay: Iterable[str] = (), given_as: str = "the file"
) -> ConnectorFile:
    """Return the contents of a connector file of either form that Kafka Connect's API knows.

    Args:
        text: JSON; ``{"name": ..., "config": {...}}``, or the settings alone with ``name`` among them or not at all.
        name: replaces the file's name.
        overlay: settings as ``key=value`` that replace the file's; ``key=`` removes one.
        given_as: what errors call the text, e.g. its path.

    Raises:
        ConnectorFileError: not such a file, no name at all, or an overlay that is not ``key=value``.

    >>> parse_connector_file('{"connector.class": "X", "tasks.max": 1}', name="n", overlay=["tasks.max=2"]).config
    {'connector.class': 'X', 'tasks.max': '2'}
    """
    try:
        body = json.loads(text)
    except ValueError as error:
        raise ConnectorFileError(f"{given_as}: expected JSON, {error}") from error
    if not isinstance(body, dict):
        raise ConnectorFileError(f"{given_as}: expected an object of settings, found {type(body).__name__}")
    settings = body.get("config", body)
    if not isinstance(settings, dict):
        raise ConnectorFileError(f"{given_as}: `config` should be an object, found {type(settings).__name__}")
    config = {key: _text(key, value, given_as) for key, value in settings.items() if value is not None}
    chosen = name or body.get("name") or config.get("name")
    config.pop("name", None)
    for pair in overlay:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConnectorFileError(f"--set {_hide_value(pair)}: expected key=value, or key= to remove the key")
        if value:
            config[key] = value
        else:
            config.pop(key, None)
    if "connector.class" not in config:
        raise ConnectorFileError(f"{given_as}: the key `connector.class` is missing; is this a connector file?")
    if not chosen:
        raise ConnectorFileError(f"{given_as}: the connector has no name; add `name`, or say --name")
    return ConnectorFile(str(chosen), config)


def read_connector_file(path: Path, *, name: str | None = None, overlay: Iterable[str] = ()) -> ConnectorFile:
    """Return the contents of a connector file on disk; see :func:`parse_connector_file`.

    Raises:
        ConnectorFileError: as ``parse_connector_file``, or the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorFileError(f"{path}: cannot be read, {error}") from error
    return parse_connector_file(text, name=name, overlay=overlay, given_as=str(path))


def _text(key: str, value: object, given_as: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ConnectorFileError(f"{given_as}: {key} should be text, a number or a boolean, found {type(value).__name__}")


def _hide_value(pair: str) -> str:
    return pair if len(pair) < 40 and " " not in pair and "=" not in pair else "..."
