"""The registry refuses what would silently drop or double a change."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from handlers import REGISTRY
from handlers.crucible_entry import CrucibleEntryRow
from tests.change_events import change, entry
from watcher.model.change import ChangeEvent, Operation
from watcher.model.effects import Effect, EntryGone
from watcher.model.registry import WATCHER_SCHEMA, Registry, RegistryError, Table, on


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.READ)
def rows(event: ChangeEvent[Any]) -> Iterator[Effect]:
    """Answer every change of a row.

    This is not part of the sentence.
    """
    yield EntryGone(event.row.crucible_id, event.row.id)


IGNORED = {Operation.TRUNCATE: "no row", Operation.MESSAGE: "no row"}
TABLE: Table[Any] = Table(name="T", row=CrucibleEntryRow, handlers=(rows,), ignored=IGNORED, sample=entry())


@pytest.mark.parametrize("open_one", list(IGNORED))
def test_an_operation_left_open_is_refused(open_one: Operation) -> None:
    """Whoever adds a table says what becomes of each operation; the message names the one that is missing."""
    ignored = {one: why for one, why in IGNORED.items() if one is not open_one}

    with pytest.raises(RegistryError, match=f"{open_one.name} of table T is neither"):
        Registry.of(msgspec.structs.replace(TABLE, ignored=ignored))


def test_an_operation_that_is_handled_and_ignored_is_refused() -> None:
    """One of the two is a mistake, and nobody can tell which."""
    with pytest.raises(RegistryError, match="CREATE of table T is both"):
        Registry.of(msgspec.structs.replace(TABLE, ignored={**IGNORED, Operation.CREATE: "no"}))


def test_a_table_registered_twice_is_refused() -> None:
    """Its changes would count twice."""
    with pytest.raises(RegistryError, match="registered twice"):
        Registry.of(TABLE, TABLE)


def test_a_handler_says_when_it_runs_and_what_it_does() -> None:
    """No operations, or no docstring, is a mistake in the file and not at run time."""

    def silent(event: ChangeEvent[Any]) -> Iterator[Effect]:
        yield EntryGone(1, 1)

    with pytest.raises(RegistryError, match="silent needs"):
        on(Operation.CREATE)(silent)
    with pytest.raises(RegistryError, match="rows needs"):
        on()(rows.function)


def test_a_handler_is_called_like_its_function() -> None:
    """So that a test of a handler is a call."""
    assert list(rows(change(Operation.CREATE, after=entry(id=3, crucible_id=9)))) == [EntryGone(9, 3)]
    assert rows.sentence == "Answer every change of a row."


@pytest.mark.parametrize(("schema", "name"), [("public", 'a"b'), ("my schema", "T"), ("public", "a.b"), ("", "T")])
def test_a_name_that_would_need_quoting_is_refused(schema: str, name: str) -> None:
    """SQL, topics and Debezium's regular expressions would each want it written in another way."""
    with pytest.raises(RegistryError, match="expected letters, digits and _"):
        Registry.of(msgspec.structs.replace(TABLE, schema=schema, name=name))


def test_a_table_says_where_it_lies_and_where_its_changes_go() -> None:
    """Connector files, publication and topics are written from these."""
    own = msgspec.structs.replace(TABLE, schema=WATCHER_SCHEMA)

    assert (TABLE.qualified, TABLE.topic) == ("public.T", "postgres.T")
    assert (own.qualified, own.topic) == ("crucible_watcher.T", "postgres.T")


def test_two_tables_of_one_name_are_refused_also_in_two_schemas() -> None:
    """Their topics, metrics and identities would be the same."""
    with pytest.raises(RegistryError, match="registered twice"):
        Registry.of(TABLE, msgspec.structs.replace(TABLE, schema=WATCHER_SCHEMA))


def test_the_shipped_registry_holds_the_sites_tables_and_samples() -> None:
    """The sample is a row of the table's type, so that the catalogue can show what a change comes to."""
    assert set(REGISTRY.tables) >= {"Crucible", "CrucibleEntry"}
    assert all(type(table.sample) is table.row for table in REGISTRY)
