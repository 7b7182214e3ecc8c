"""How far a rebuild of all crucibles has come; crucibles are taken in the order of their ids."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "rebuild_run.sql")


@dataclass(frozen=True, slots=True)
class RebuildRun:
    """A run that is under way."""

    number: int
    done_to: int
    """Id of the last crucible that is done; 0 before the first."""
    resumed: bool
    left: str = ""
    """Why an interrupted run was not resumed; empty if there was none."""


def begin(session: Session, redis: str, *, replay: bool, anew: bool) -> RebuildRun:
    """Return the run to go on with: the last one of this kind that was interrupted today in this Redis, or a new one.

    Args:
        session: the watcher's own schema.
        redis: identity of the Redis that is filled; what was done in another one is not there.
        replay: the kind.
        anew: begin at the first crucible whatever there is.
    """
    with session.together():
        session.lock("rebuild")
        if anew:
            session.run(_STATEMENTS["give_up"], replay)
        found = session.run(_STATEMENTS["under_way"], redis, replay)
        left = ""
        if found:
            number, done_to, same, young = found[0]
            if same and young:
                return RebuildRun(number, done_to, resumed=True)
            left = "Redis was started anew since" if not same else "it is more than a day old"
            session.run(_STATEMENTS["give_up"], replay)
        ((number,),) = session.run(_STATEMENTS["begin"], replay, redis)
        return RebuildRun(number, 0, resumed=False, left=left)


def note(session: Session, run: RebuildRun, crucible_id: int) -> None:
    """Note that this crucible and all before it are done."""
    session.run(_STATEMENTS["note"], crucible_id, run.number)


def end(session: Session, run: RebuildRun) -> None:
    """Note that all crucibles are done."""
    session.run(_STATEMENTS["end"], run.number)
