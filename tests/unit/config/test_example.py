"""The example file explains every setting and changes none."""

import re
import tomllib

import config
from config.example import example_file
from config.keys import keys
from config.settings import SettingsGroups


def test_the_example_sets_nothing():
    """Copied as it is, it leaves every default in force."""
    groups = tomllib.loads(example_file())

    assert groups.keys() == SettingsGroups.model_fields.keys()
    assert [name for name, group in groups.items() if group] == []


def test_the_lines_taken_in_give_the_defaults():
    """Each commented line, uncommented, is TOML and says what the program does without it."""
    text = re.sub(r"^# (\w+ = )", r"\1", example_file(), flags=re.MULTILINE)

    assert SettingsGroups.model_validate(tomllib.loads(text)) == SettingsGroups()


def test_every_setting_is_explained():
    """A setting without a sentence cannot be set by anybody who did not write it."""
    assert [key.dotted for key in keys() if not key.field.description] == []


def test_the_schema_knows_every_setting_and_refuses_others():
    """An editor completes the keys and underlines a typo."""
    schema = config.schema()

    groups = {name: part["$ref"].rsplit("/", 1)[-1] for name, part in schema["properties"].items()}
    known = {f"{name}.{key}" for name, group in groups.items() for key in schema["$defs"][group]["properties"]}
    assert known == {key.dotted for key in keys()}
    assert all(schema["$defs"][group]["additionalProperties"] is False for group in groups.values())
