"""An identity is the same in every delivery of a change and of no other change."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.identity import digest, digested


@dataclasses.dataclass(frozen=True)
class Change:
    table: str = "CrucibleEntry"
    key: int = 7
    operation: str = "c"
    lsn: int = 4096
    committed_us: int = 1_700_000_000_000_000

    @property
    def identity(self) -> bytes:
        return digest(digested(self.table, self.operation)(self.key, self.lsn, self.committed_us))


CHANGES = st.builds(
    Change,
    st.sampled_from(["Crucible", "CrucibleEntry", "CrucibleEntry1"]),
    st.integers(1, 12),
    st.sampled_from("cud"),
    st.integers(0, 12) | st.integers(0, 2**53 - 1),
    st.integers(0, 12) | st.integers(0, 2**53),
)


@given(CHANGES, CHANGES)
def test_two_changes_share_an_identity_if_and_only_if_they_are_one(one: Change, other: Change) -> None:
    """Neighbouring numbers must not run into each other either: (1, 23) is not (12, 3)."""
    assert (one == other) == (one.identity == other.identity)
    assert len(one.identity) == 16


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Change(key=8), "two rows of one COPY"),
        (Change(operation="d"), "the delete and the create of a changed key"),
        (Change(lsn=4160), "two updates of a row in one transaction"),
        (Change(committed_us=1_700_000_000_000_001), "a log position used again after a restore"),
        (Change(table="Crucible"), "another table"),
    ],
)
def test_each_part_of_an_identity_is_needed(other: Change, why: str) -> None:
    """Without it, these two would be one."""
    assert Change().identity != other.identity, why


def test_an_identity_does_not_change_between_versions() -> None:
    """It is stored with every row: a program that computes another one would count everything again."""
    assert Change().identity.hex() == "6a90d698aad40dbd55ddf5953e235420"
