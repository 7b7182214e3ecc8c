"""How far a backfill of a table has come, and who runs it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "backfill_run.sql")


class BackfillRun(msgspec.Struct, frozen=True):
    """A backfill that has not ended."""

    id: int
    way: str
    """``rows`` or ``connector``."""
    until_key: int
    """The highest key when it began."""
    done_key: int | None
    """Rows up to this key are done; None before the first."""
    looked_at: int
    """Rows that were compared."""
    mended: Mapping[str, int]
    """Kind of difference -> rows that were put right."""
    still_wrong: int
    """Rows that could not be put right because they did not stand still."""
    done_crucible: int
    """Crucibles up to this id were compared in Redis; 0 before the first."""
    began_at: datetime
    state: str
    """``running``, also of one that was killed, or ``paused``."""
    brought_at: datetime | None = None
    """When every row that the connector was asked for was sent and written; None: not yet, or it was asked for none."""
    sent: int = 0
    """Rows that the connector has sent."""

    @property
    def signal(self) -> str:
        """Return what the connector's answers name: the same for a run that is gone on with, and for no other."""
        return f"crucible-backfill-{self.id}-{round(self.began_at.timestamp())}"


class BackfillStatus(msgspec.Struct, frozen=True):
    """A backfill as people are told of it."""

    id: int
    table: str
    way: str
    state: str
    made_by: str
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    done_key: int | None
    until_key: int
    looked_at: int
    mended: Mapping[str, int]
    still_wrong: int
    done_crucible: int
    sent: int = 0


def open_run(session: Session, table: str) -> BackfillRun | None:
    """Return the run of a table that has not ended."""
    rows = session.read(_STATEMENTS["open_run"], table)
    return BackfillRun(*rows[0]) if rows else None


def begin(session: Session, table: str, way: str, until_key: int, made_by: str) -> BackfillRun:
    """Return the run of a table that has not ended; begin one if there is none."""
    session.run(_STATEMENTS["begin"], table, way, until_key, made_by)
    return BackfillRun(*session.read(_STATEMENTS["open_run"], table)[0])


def give_up(session: Session, table: str) -> None:
    """End the run of a table that nobody is to go on with."""
    session.run(_STATEMENTS["give_up"], table)


def take(session: Session, run: BackfillRun, made_by: str) -> None:
    """Note who goes on with a run."""
    session.run(_STATEMENTS["take"], made_by, run.id)


def note(session: Session, run: BackfillRun) -> bool | None:
    """Note how far a run is; return whether somebody wants it to pause, None where somebody has ended it."""
    known = msgspec.structs.asdict(run) | {"mended": msgspec.json.encode(run.mended).decode()}
    return _pause_wanted(session.run(_STATEMENTS["note"], known))


def brought(session: Session, run: BackfillRun, sent: int) -> BackfillRun:
    """Note that every row that the connector was asked for is sent and written; return the run with when that was."""
    rows = session.run(_STATEMENTS["brought"], {"id": run.id, "sent": sent})
    return msgspec.structs.replace(run, brought_at=rows[0][0], sent=sent) if rows else run


def seen(session: Session, run: BackfillRun) -> bool | None:
    """Note that somebody is at work on a run; return what ``note`` does."""
    return _pause_wanted(session.run(_STATEMENTS["seen"], run.id))


def pause(session: Session, run: BackfillRun) -> None:
    """Note that a run stands until somebody goes on with it."""
    session.run(_STATEMENTS["pause"], run.id)


def ask_pause(session: Session, table: str) -> bool:
    """Ask whoever is at a table's run to pause; return whether there is one."""
    return bool(session.run(_STATEMENTS["ask_pause"], table))


def finish(session: Session, run: BackfillRun) -> None:
    """Note that all of a run is done."""
    session.run(_STATEMENTS["finish"], run.id)


def runs(session: Session, most: int) -> Sequence[BackfillStatus]:
    """Return the latest runs, the latest first."""
    return [BackfillStatus(*row) for row in session.read(_STATEMENTS["runs"], most)]


def _pause_wanted(rows: list[tuple[bool]]) -> bool | None:
    return rows[0][0] if rows else None
