"""Which entries may get a verdict, or another one: told, changed, ripe, gone, or next in line for a place."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Final, NamedTuple

from watcher.model.entry_rules import CrucibleRules
from watcher.postgres.moments import MOMENTS
from watcher.postgres.own.entry_facts import rules_from
from watcher.postgres.own.entry_verdict import crucible_rows
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(
    files("watcher.postgres.own"), "entry_facts.sql", "entries_to_decide.sql", constants=MOMENTS
)
START: Final = (0, "-infinity", 0)
"""The place before all entries of all crucibles: crucible, when an entry was made, and its id."""
GONE: Final = "gone"
"""What stands for the status of a crucible that was deleted."""


class CrucibleToDecide(NamedTuple):
    """A crucible whose entries may lack a verdict or get another one."""

    crucible_id: int
    rules: CrucibleRules | None
    """None: it was deleted."""
    decided_by: int | None
    """Digest of the rules by which its entries were decided; None: none of them was."""

    @property
    def status(self) -> str:
        """Return the status to be remembered."""
        return GONE if self.rules is None else self.rules.status


def crucibles_to_decide(session: Session, crucible_ids: Iterable[int] | None = None) -> list[CrucibleToDecide]:
    """Return the crucibles whose entries may get a verdict or another one; of these only, if some are named."""
    told = None if crucible_ids is None else list(crucible_ids)
    return [
        CrucibleToDecide(crucible_id, rules_from(columns) if there else None, decided_by)
        for crucible_id, decided_by, there, *columns in session.run(
            _STATEMENTS["crucibles_to_decide"], {"crucibles": told}
        )
    ]


def changed_entries(session: Session, crucible_ids: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the entries of some crucibles that were never decided or with something else in mind, page by page.

    Args:
        session: a connection.
        crucible_ids: whose entries.
        most: entries that one statement looks at.
    """
    after: int | None = 0
    while after is not None:
        ((after, changed),) = session.run(
            _STATEMENTS["changed_entries"], {"crucibles": list(crucible_ids), "after": after, "most": most}
        )
        if changed:
            yield changed


def decided_entries(session: Session, crucible_ids: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the entries of some crucibles that have a verdict, page by page, in the order in which they came."""
    crucible, time, entry = START
    while True:
        rows = session.run(
            _STATEMENTS["decided_entries"],
            {
                "crucibles": list(crucible_ids), "after_crucible": crucible, "after_time": time, "after_id": entry,
                "most": most,
            },
        )  # fmt: skip
        if rows:
            yield [entry for _, _, entry in rows]
        if len(rows) < most:
            return
        crucible, time, entry = rows[-1]


def waiting_entries(session: Session, crucible_ids: Sequence[int]) -> list[int]:
    """Return the entries of some crucibles that wait, in the order in which they came."""
    return [entry for (entry,) in session.run(_STATEMENTS["waiting_entries"], {"crucibles": list(crucible_ids)})]


def ripe_entries(session: Session) -> list[int]:
    """Return the entries that need not wait any more: for a scan that is there, or a fee that is another entry's."""
    return [entry for (entry,) in session.run(_STATEMENTS["ripe_entries"])]


def vanished_of(session: Session, crucible_ids: Sequence[int], most: int) -> list[int]:
    """Return entries of some crucibles that hold a place and whose row is gone."""
    rows = session.run(_STATEMENTS["vanished_of"], {"crucibles": list(crucible_ids), "most": most})
    return [entry for (entry,) in rows]


def without_a_place(
    session: Session, crucible_ids: Iterable[int], user_ids: Iterable[int], image_ids: Iterable[int], most: int
) -> list[int]:
    """Return entries that were rejected for want of a place and may get one that is free now.

    Args:
        session: a connection.
        crucible_ids: where places have become free.
        user_ids: whose entries held them.
        image_ids: of those entries.
        most: entries.
    """
    rows = session.run(
        _STATEMENTS["without_a_place"],
        {"crucibles": list(crucible_ids), "users": list(user_ids), "images": list(image_ids), "most": most},
    )
    return [entry for (entry,) in rows]


def note_crucibles(session: Session, crucibles: Mapping[int, tuple[str, int]]) -> None:
    """Remember by which rules all entries of some crucibles were decided: status and digest of each."""
    session.run(_STATEMENTS["note_crucibles"], crucible_rows(crucibles))
