"""What tables say that their rows count for is what their handlers count when a row is made."""

import enum
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import REGISTRY
from watcher.model.counts import Count, counted_for
from watcher.model.registry import Registry, RegistryError, Table, created

IDS = st.integers(1, 2**31 - 1)


def changed(table: Table[Any]) -> st.SearchStrategy[Any]:
    """Return the sample with other ids, numbers, flags and states."""
    values: dict[str, st.SearchStrategy[Any]] = {}
    for field, hint in get_type_hints(table.row).items():
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            values[field] = st.sampled_from(hint)
        elif hint is bool:
            values[field] = st.booleans()
        elif hint is int:
            values[field] = IDS if field.endswith("id") else st.integers(0, 1_000)
    return st.fixed_dictionaries(values).map(lambda given: msgspec.structs.replace(table.sample, **given))


@pytest.mark.parametrize("table", list(REGISTRY), ids=lambda table: table.name)
def test_rows_count_for_what_their_handlers_count(table: Table[Any]) -> None:
    @given(changed(table))
    def holds(row: Any) -> None:
        assert counted_for(table.counts, row) == created(table, row)

    holds()


def test_a_table_that_says_something_else_is_refused() -> None:
    """At import, with both."""
    entries = REGISTRY.tables["CrucibleEntry"]
    other = Count(entity_type="Crucible", entity="user_id", user="user_id", metric_type="Entry")
    for counts in ((), (other, *entries.counts[1:])):
        with pytest.raises(RegistryError, match="name in `counts` what a row counts for"):
            Registry.of(msgspec.structs.replace(entries, counts=counts)).with_counts_checked()
