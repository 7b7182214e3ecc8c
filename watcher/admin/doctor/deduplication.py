"""Which ClickHouse tables count a row twice that an insert brings twice; pure, from what the server says of them."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

_WINDOW: Final = re.compile(r"(?<!_)\b(non_replicated|replicated)_deduplication_window = (\d+)")
_TARGET: Final = re.compile(r" TO (?:`?([\w.-]+?)`?\.)?`?([\w.-]+?)`? ?[(A]")


class StoredTable(msgspec.Struct, frozen=True):
    """A table or a materialized view, as ``system.tables`` has it."""

    database: str
    name: str
    engine: str
    definition: str
    uuid: str
    feeds: tuple[tuple[str, str], ...]
    """Databases and names of the materialized views that read what is inserted here."""

    @property
    def window(self) -> int | None:
        """Return how many inserts it remembers, where its definition says so; None: as its engine has it."""
        kind = "replicated" if self.is_replicated else "non_replicated"
        return next((int(size) for which, size in _WINDOW.findall(self.definition) if which == kind), None)

    @property
    def is_replicated(self) -> bool:
        """Return whether it keeps itself alike on several servers: then it remembers inserts unless told otherwise."""
        return self.engine.startswith(("Replicated", "Shared"))

    @property
    def target(self) -> tuple[str, str] | None:
        """Return the table that a materialized view fills; None: it is none, or fills one of its own."""
        if self.engine != "MaterializedView" or (found := _TARGET.search(self.definition)) is None:
            return None
        return found[1] or self.database, found[2]


class Forgetful(msgspec.Struct, frozen=True):
    """A table that forgets the token of an insert, with the view that fills it."""

    view: str
    table: str


def forgetful(
    stored: Iterable[StoredTable], database: str, roots: Iterable[str], ours: set[str]
) -> Iterator[Forgetful]:
    """Yield what others have hung behind our tables and what would count twice there, through any number of views.

    Args:
        stored: all that the server keeps.
        database: ours.
        roots: our tables that inserts go to.
        ours: names of our own views, whose targets are seen to by another check.
    """
    by_name = {(one.database, one.name): one for one in stored}
    reached, waiting = set[tuple[str, str]](), deque((database, name) for name in roots)
    while waiting:
        at = waiting.popleft()
        if at in reached or at not in by_name:
            continue
        reached.add(at)
        for view in (by_name.get(feeds) for feeds in by_name[at].feeds):
            if view is None:
                continue
            target = by_name.get(view.target or (view.database, _inner(view, by_name.keys())))
            if target is None:
                continue
            waiting.append((target.database, target.name))
            is_kept = target.engine.endswith("MergeTree")
            remembers = bool(target.window) if target.window is not None else target.is_replicated
            if is_kept and not remembers and not (view.database == database and view.name in ours):
                yield Forgetful(f"{view.database}.{view.name}", f"{target.database}.{target.name}")


def _inner(view: StoredTable, names: Iterable[tuple[str, str]]) -> str:
    """Return the name of the table that a view without one of ours or others keeps for itself."""
    own = f".inner_id.{view.uuid}"
    return own if (view.database, own) in names else f".inner.{view.name}"
