"""What differed when rows were last compared with counts, and who has compared them."""

from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Final, Literal

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "drift.sql")

Kinds = Mapping[str, int]
"""Kind of difference -> rows."""


class ComparisonRun(msgspec.Struct, frozen=True):
    """The last comparison of whole tables."""

    made_with: Literal["command", "daemon"]
    made_by: str
    """User or process, and the host."""
    began: datetime
    tables: tuple[str, ...]
    found: Mapping[str, Kinds]
    """By table, what still differed at its end."""
    ended: datetime | None = None
    """None: it is not noted yet."""
    seen_to: int = 0
    """What was committed until then it has seen: milliseconds since 1970, by PostgreSQL's clock; 0: not known."""


def compared(session: Session, table: str, low: int, high: int | None, found: Mapping[int, Kinds]) -> None:
    """Note what differs in a stretch of a table's keys, in the place of what was noted of it before.

    Args:
        session: a connection.
        table: the source table.
        low: the first key.
        high: the one after the last; None: all there are.
        found: by the first key of a range, what differs in it.
    """
    rows = [
        {"first_key": key, "kind": kind, "rows": number}
        for key, kinds in found.items()
        for kind, number in kinds.items()
    ]
    with session.together():
        session.run(_STATEMENTS["forget"], {"table": table, "low": low, "high": high})
        if rows:
            session.run(_STATEMENTS["add"], {"table": table, "found": msgspec.json.encode(rows).decode()})


def drift(session: Session) -> dict[str, dict[str, int]]:
    """Return what differs, as far as it was compared: by table, kind of difference -> rows."""
    found: dict[str, dict[str, int]] = {}
    for table, kind, rows in session.read(_STATEMENTS["drift"]):
        found.setdefault(table, {})[kind] = int(rows)
    return found


def note_run(session: Session, run: ComparisonRun) -> None:
    """Note that whole tables were compared just now."""
    found = msgspec.json.encode(run.found).decode()
    asked = {
        "with": run.made_with,
        "by": run.made_by,
        "began": run.began,
        "tables": list(run.tables),
        "found": found,
        "seen_to": run.seen_to,
    }
    session.run(_STATEMENTS["note_run"], asked)


def runs(session: Session) -> list[ComparisonRun]:
    """Return who compared whole tables last, by command and by daemon, the latest first."""
    return [
        ComparisonRun(made_with, made_by, began, tuple(tables), found, ended)
        for made_with, made_by, began, ended, tables, found in session.read(_STATEMENTS["runs"])
    ]
