"""Repairs of counts: decided here before they are written, and remembered for what they see to."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final, cast

import msgspec

from watcher.model.repair import RepairPlan
from watcher.postgres.own.history import FIRST_HISTORY
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "repair.sql")


class Logged(msgspec.Struct, frozen=True):
    """A repair as people are told of it."""

    made_at: datetime
    made_by: str
    table: str
    kinds: Mapping[str, int]
    rows: int
    done_at: datetime | None
    """None: decided, and not known to be written; the next run finishes it."""


def open_repairs(session: Session, table: str) -> list[RepairPlan]:
    """Return the repairs of a table that were decided and are not known to be written."""
    rows = session.read(_STATEMENTS["open_repairs"], table)
    return [
        RepairPlan(number, source, history, lsn, tuple(keys), kinds, token, bytes(planned))
        for number, source, history, lsn, keys, kinds, token, planned in rows
    ]


def alone(session: Session, table: str) -> None:
    """Wait until nobody else plans repairs of a table; holds until the end of the transaction."""
    session.run(_STATEMENTS["alone"], table)


def plan(session: Session, repair: RepairPlan, made_by: str) -> RepairPlan:
    """Decide a repair; return it with its number."""
    kinds = msgspec.json.encode(repair.kinds).decode()
    values = (repair.history, repair.lsn, list(repair.keys), kinds, repair.token, repair.planned, made_by)
    ((number,),) = session.run(_STATEMENTS["plan"], repair.table, *values)
    return msgspec.structs.replace(repair, id=number)


def noted(session: Session, place: str, kinds: Mapping[str, int], made_by: str) -> None:
    """Note for the log that something was put right that needed no decision: a view, or what Redis shows.

    Args:
        session: a connection.
        place: what was put right.
        kinds: kind of difference -> how many.
        made_by: who did it.
    """
    session.run(_STATEMENTS["noted"], place, msgspec.json.encode(kinds).decode(), made_by)


def done(session: Session, number: int) -> None:
    """Note that a repair is written."""
    session.run(_STATEMENTS["done"], number)


def withdraw(session: Session, number: int) -> None:
    """Forget a repair that is not written."""
    session.run(_STATEMENTS["withdraw"], number)


def mark(session: Session) -> int:
    """Return the highest position of the log that a repair has seen to; 0: there was none."""
    ((lsn,),) = session.read(_STATEMENTS["mark"])
    return int(lsn)


def covering(session: Session, table: str, keys: Iterable[int], lowest: int) -> dict[int, int]:
    """Return for some rows up to which log position repairs have seen to their changes.

    Args:
        session: a connection.
        table: the rows' table.
        keys: theirs.
        lowest: position below which a repair does not matter.
    """
    asked = {"table": table, "keys": list(keys), "from": lowest}
    return dict(session.read(_STATEMENTS["covering"], asked))


def position(session: Session) -> tuple[int, int]:
    """Return the present position in the log, and the number of its history: the first before any watcher has come."""
    ((lsn, history),) = session.read(_STATEMENTS["position"])
    return int(lsn), FIRST_HISTORY if history is None else int(history)


def clock(session: Session) -> datetime:
    """Return PostgreSQL's time, by which needs of a comparison are noted; with time zone."""
    ((now,),) = session.read(_STATEMENTS["clock"])
    return cast("datetime", now)


def newest_transaction(session: Session) -> int:
    """Return the number of the newest transaction that may have written anything by now."""
    return int(session.read(_STATEMENTS["newest_transaction"])[0][0])


def oldest_transaction(session: Session) -> int:
    """Return the number of the oldest transaction that has not ended, or of the next one where all have."""
    return int(session.read(_STATEMENTS["oldest_transaction"])[0][0])


def streamed(session: Session, slot: str, lsn: int) -> tuple[bool, bool] | None:
    """Return whether somebody streams from a slot, and whether everything up to a position has; None without it."""
    rows = session.read(_STATEMENTS["streamed"], {"slot": slot, "lsn": lsn})
    return (bool(rows[0][0]), bool(rows[0][1])) if rows else None


def log(session: Session, most: int) -> Sequence[Logged]:
    """Return who mended what, the latest first."""
    return [Logged(*row) for row in session.read(_STATEMENTS["log"], most)]


def mended(session: Session, table: str, before: datetime, made_by: str) -> list[str]:
    """Forget the needs of a table's comparison that were not noted again since then; return their reasons.

    Who has seen to them is a line of the log, also where nothing had to be put right.
    """
    asked = {"table": table, "before": before, "made_by": made_by}
    return [reason for (reason,) in session.run(_STATEMENTS["mended"], asked)]


def met(session: Session, tables: Sequence[str], seen_to: int, made_by: str) -> None:
    """Forget what is known to lie before a comparison that found these tables right; that is a line of the log too.

    Args:
        session: a connection.
        tables: their names.
        seen_to: milliseconds since 1970, by PostgreSQL's clock; 0: nobody knows.
        made_by: who has compared them.
    """
    if tables and seen_to:
        session.run(_STATEMENTS["met"], {"tables": list(tables), "seen_to": seen_to, "made_by": made_by})
