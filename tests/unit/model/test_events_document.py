"""The schema of events is a contract with services of others: frozen in ``docs/events.schema.json``."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watcher.model.crucible_events import BODIES

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "docs" / "events.schema.json"
PAGE = ROOT / "docs" / "events.md"


def now() -> dict[str, Any]:
    """The schema that the types have now."""
    references, components = msgspec.json.schema_components(BODIES.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bodies of the events in crucible.events, by the type of the CloudEvent",
        "properties": {kind.value: one for kind, one in zip(BODIES, references, strict=True)},
        "$defs": components,
    }


def fields(schema: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Every field of every body with its type."""
    return {
        (body, name, json.dumps({key: value for key, value in kind.items() if key != "description"}, sort_keys=True))
        for body, definition in schema["$defs"].items()
        for name, kind in definition["properties"].items()
    }


def test_types_and_fields_are_frozen() -> None:
    """One may be added, with ``CRUCIBLE_WRITE_GOLDEN=1``; whoever reads the others goes on as before."""
    frozen = json.loads(SCHEMA.read_text(encoding="utf-8")) if SCHEMA.exists() else {"$defs": {}, "properties": {}}

    assert fields(frozen) <= fields(now()), "a field that others read is gone, or is something else"
    assert frozen["properties"].items() <= now()["properties"].items(), "a type that others read is gone"
    if os.environ.get("CRUCIBLE_WRITE_GOLDEN"):
        SCHEMA.write_text(json.dumps(now(), indent=2) + "\n", encoding="utf-8")
        frozen = now()
    assert frozen == now()


@pytest.mark.parametrize("gone", ["entryId", "amount"])
def test_a_field_that_is_gone_is_noticed(gone: str) -> None:
    """The control of the test above."""
    changed = now()
    del changed["$defs"]["PrizePaid"]["properties"][gone]

    assert not fields(now()) <= fields(changed)


def test_the_page_tells_of_every_type_and_field() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = {name for _, name, _ in fields(now())}

    assert [kind.value for kind in BODIES if f"`{kind.value}`" not in text] == []
    assert sorted(name for name in names if f"`{name}`" not in text) == []
