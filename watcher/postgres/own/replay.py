"""Changes of dead letters that are to be counted: decided here before they are written, for all to see."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Final

import msgspec

from watcher.model.replay import ReplayPlan
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "replay.sql")


def open_replays(session: Session, table: str) -> list[ReplayPlan]:
    """Return the replays of a table that were decided and are not known to be written."""
    return [
        ReplayPlan(number, source, history, lsn, frozenset(map(bytes.fromhex, identities)), token, bytes(planned))
        for number, source, history, lsn, identities, token, planned in session.read(_STATEMENTS["open_replays"], table)
    ]


def open_tables(session: Session) -> list[str]:
    """Return the tables of which replays were decided that are not known to be written."""
    return [name for (name,) in session.read(_STATEMENTS["tables"])]


def plan(session: Session, replay: ReplayPlan, made_by: str) -> ReplayPlan:
    """Decide a replay; return it with its number."""
    identities = sorted(one.hex() for one in replay.identities)
    values = (replay.table, replay.history, replay.lsn, identities, replay.token, replay.planned, made_by)
    ((number,),) = session.run(_STATEMENTS["plan"], *values)
    return msgspec.structs.replace(replay, id=number)


def done(session: Session, number: int) -> None:
    """Note that a replay is written."""
    session.run(_STATEMENTS["done"], number)


def decided(session: Session, identities: Iterable[bytes], lowest: int) -> set[bytes]:
    """Return which of some changes replays have decided to count, written or not.

    Args:
        session: a connection.
        identities: of the changes.
        lowest: position in the log of the first of them.
    """
    asked = {"identities": [one.hex() for one in identities], "from": lowest}
    return {bytes.fromhex(one) for (one,) in session.read(_STATEMENTS["decided"], asked)}


def mark(session: Session) -> int:
    """Return the highest position of a change that a replay has decided to count; 0: there was none."""
    ((lsn,),) = session.read(_STATEMENTS["mark"])
    return int(lsn)
