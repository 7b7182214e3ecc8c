"""Which entries may get a verdict, or another one: told, changed, ripe, gone, or next in line for a place."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Final, NamedTuple

import msgspec

from watcher.model.decided_by import SEVERAL, DecidedBy, Entered
from watcher.model.entry_rules import CrucibleRules
from watcher.postgres.moments import MOMENTS
from watcher.postgres.own.entry_facts import rules_from
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(
    files("watcher.postgres.own"), "entry_facts.sql", "entries_to_decide.sql", constants={**MOMENTS, "SEVERAL": SEVERAL}
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
    decided_by: DecidedBy | None
    """The rules by which its entries were decided; None: none of them was."""

    @property
    def status(self) -> str:
        """Return the status to be remembered."""
        return GONE if self.rules is None else self.rules.status


def crucibles_to_decide(session: Session, crucible_ids: Iterable[int] | None = None) -> list[CrucibleToDecide]:
    """Return the crucibles whose entries may get a verdict or another one; if some are named, of those alone."""
    told = None if crucible_ids is None else list(crucible_ids)
    return [
        CrucibleToDecide(
            crucible_id,
            rules_from(columns) if there else None,
            None if status is None else DecidedBy(status, digest, first_end, last_end),
        )
        for crucible_id, status, digest, first_end, last_end, there, *columns in session.run(
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


def decided_entries(session: Session, made: Mapping[int, Entered], most: int) -> Iterator[list[int]]:
    """Yield entries that have a verdict, page by page, in the order in which they came.

    Args:
        session: a connection.
        made: whose, and when they were made: by crucible.
        most: entries of a page.
    """
    crucible, time, entry = START
    crucibles = {
        "crucibles": list(made), "firsts": [one.first_ms for one in made.values()],
        "lasts": [one.last_ms for one in made.values()],
    }  # fmt: skip
    while True:
        rows = session.run(
            _STATEMENTS["decided_entries"],
            crucibles | {"after_crucible": crucible, "after_time": time, "after_id": entry, "most": most},
        )
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
    session: Session, freed: Collection[tuple[int, int, int]], after: tuple[int, str, int], most: int
) -> list[tuple[int, str, int]]:
    """Return entries that are out, or wait, for want of a place and may get one that is free: crucible, time and id.

    Args:
        session: a connection.
        freed: places: crucible, user and image of each entry that held one.
        after: the last one that was looked at, or :data:`START`.
        most: entries.
    """
    crucibles, users, images = (list(column) for column in zip(*freed, strict=True))
    crucible, time, entry = after
    return [
        (crucible, time, entry)
        for crucible, time, entry in session.run(
            _STATEMENTS["without_a_place"],
            {
                "crucibles": crucibles, "users": users, "images": images, "most": most,
                "after_crucible": crucible, "after_time": time, "after_id": entry,
            },
        )
    ]  # fmt: skip


def beyond_places(session: Session, crucible_ids: Sequence[int], most: int) -> list[int]:
    """Return entries of some crucibles that hold a place though all places are those of others before them.

    Those that are known to do so, because votes have counted for them, are left out.
    """
    rows = session.run(_STATEMENTS["beyond_places"], {"crucibles": list(crucible_ids), "most": most})
    return [entry for (entry,) in rows]


def begin_crucibles(session: Session, crucibles: Mapping[int, int]) -> None:
    """Note by which rules all entries of some crucibles are about to be decided: a digest for each crucible."""
    if crucibles:
        session.run(_STATEMENTS["begin_crucibles"], list(crucibles), list(crucibles.values()))


def note_crucibles(session: Session, crucibles: Mapping[int, tuple[DecidedBy | None, DecidedBy]]) -> None:
    """Note by which rules all entries of some crucibles were decided.

    Args:
        session: a connection.
        crucibles: what was noted of each when its rules were read, and what is to be noted.
    """
    rows = [
        {
            "crucible_id": number, **by._asdict(),
            **({f"known_{name}": value for name, value in before._asdict().items()} if before else {}),
        }
        for number, (before, by) in crucibles.items()
    ]  # fmt: skip
    session.run(_STATEMENTS["note_crucibles"], msgspec.json.encode(rows).decode())
