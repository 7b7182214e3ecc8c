"""The files that list tables are written from the registry, whatever schema a table lies in."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from handlers import REGISTRY
from watcher.admin.table_lists import MarkMissingError, table_lists
from watcher.model.registry import WATCHER_SCHEMA, Registry

ROOT = Path(__file__).resolve().parents[3]
OWN = msgspec.structs.replace(REGISTRY.tables["CrucibleEntry"], name="entry_verdict", schema=WATCHER_SCHEMA)
TABLES = Registry.of(REGISTRY.tables["Crucible"], OWN)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def connector(files: dict[str, str]) -> dict[str, str]:
    config: dict[str, str] = json.loads(files["debezium/connector.json"])["config"]
    return config


def test_a_table_of_the_watchers_schema_is_streamed_under_that_schema() -> None:
    """Every file names both tables; the watcher needs no grant on a table that it makes itself."""
    files = table_lists(TABLES, read)

    assert connector(files)["table.include.list"] == "public.Crucible,crucible_watcher.entry_verdict"
    assert (
        "source.table.include.list=public.Crucible,crucible_watcher.entry_verdict\n"
        in (files["debezium/application.properties"])
    )
    assert "'crucible_watcher.entry_verdict'\n" in files["debezium/postgres/replication.sql"]
    assert "entry_verdict" not in files["debezium/postgres/watcher.sql"]
    assert '"postgres.entry_verdict",' in files["config/topics.py"]
    assert '`crucible_watcher."entry_verdict"` | `postgres.entry_verdict`' in files["debezium/README.md"]


@pytest.mark.parametrize(
    ("topic", "routed"),
    [
        ("crucible.public.Crucible", "Crucible"),
        ("crucible.crucible_watcher.entry_verdict", "entry_verdict"),
        ("crucible.crucible_debezium.heartbeat", None),
        ("crucible.archive.Crucible", None),
    ],
)
def test_topics_of_the_named_schemas_alone_are_routed(topic: str, routed: str | None) -> None:
    """The connector's own tables, and those of schemas that nobody watches, keep their prefixed names."""
    expression = connector(table_lists(TABLES, read))["transforms.route.regex"]

    found = re.fullmatch(expression, topic)

    assert routed == (found and found[1])


def test_a_list_is_replaced_and_nothing_else() -> None:
    """Written with another registry and then with the shipped one, every file is as it was."""
    other = table_lists(TABLES, read)

    again = table_lists(REGISTRY, other.__getitem__)

    assert again == {name: read(name) for name in other}
    assert all(again[name] != other[name] for name in other)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("debezium/postgres/replication.sql", "by `make docs`: end"),
        ("debezium/connector-avro.json", '"table.include.list"'),
        ("debezium/application.properties", "debezium.transforms.route.regex"),
    ],
)
def test_a_file_that_lost_its_place_is_named(name: str, place: str) -> None:
    """Else a list would go stale in silence."""

    def without(one: str) -> str:
        return read(one).replace(place, "") if one == name else read(one)

    with pytest.raises(MarkMissingError, match=f"^{re.escape(name)}: expected one"):
        table_lists(REGISTRY, without)
