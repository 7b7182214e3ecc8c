"""The settings described for people and programs: a commented example file and a JSON Schema."""

import json
import textwrap
from typing import Any

from pydantic import SecretStr

from config.keys import SettingKey, keys
from config.settings import SettingsGroups

HEAD = """\
# Settings of the Crucible watcher. This file is generated: `make docs`.
#
# Every line shows a default; take the "# " away to change it. Name the file in CRUCIBLE_CONFIG, or with
# `crucible --config FILE ...`.
# Stronger than this file: a file per setting in the directory CRUCIBLE_SECRETS_DIR, named like kafka__sasl_password,
# then environment variables, named like CRUCIBLE_KAFKA__SASL_PASSWORD. Secrets belong there, not here.
"""
WIDTH = 116


def example_file() -> str:
    """Return a TOML file that sets nothing and explains everything."""
    lines = [HEAD]
    group = ""
    for key in keys():
        if key.path[0] != group:
            group = key.path[0]
            annotation = SettingsGroups.model_fields[group].annotation
            lines += ["", f"# {(annotation.__doc__ or '').strip()}", f"[{group}]"]
        lines += ["", *textwrap.wrap(" ".join((key.field.description or "").split()), WIDTH, **_COMMENT), _line(key)]
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings file; editors check and complete with it."""
    return SettingsGroups.model_json_schema()


_COMMENT: dict[str, Any] = {"initial_indent": "# ", "subsequent_indent": "# ", "break_long_words": False}


def _line(key: SettingKey) -> str:
    default = key.field.default
    if default is None:
        return f"# {key.path[1]} is not set by default"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, tuple):
        default = list(default)
    return f"# {key.path[1]} = {json.dumps(default)}"  # a JSON scalar or list of strings is TOML as well
