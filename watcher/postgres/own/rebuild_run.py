"""How far a rebuild of all crucibles has come; crucibles are taken in the order of their ids."""

from dataclasses import dataclass

from watcher.postgres.session import Session


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way."""

    number: int
    done_to: int
    """Id of the last crucible that is done; 0 before the first."""
    resumed: bool
    left: str = ""
    """Why an interrupted run was not resumed; empty if there was none."""


def begin(session: Session, redis: str, *, replay: bool, anew: bool) -> Run:
    """Go on with the last run of the same kind that was interrupted today and in this Redis, or begin one.

    Args:
        session: the watcher's own schema.
        redis: identity of the Redis that is filled; what was done in another one is not there.
        replay: the kind.
        anew: begin at the first crucible whatever there is.
    """
    with session.together():
        session.lock("rebuild")
        if anew:
            session.run("UPDATE {schema}.rebuild_run SET ended = now() WHERE ended IS NULL AND replay = %s", replay)
        found = session.run(
            "SELECT number, done_to, redis = %s, begun > now() - interval '1 day' "
            "FROM {schema}.rebuild_run WHERE ended IS NULL AND replay = %s ORDER BY number DESC LIMIT 1",
            redis,
            replay,
        )
        left = ""
        if found:
            number, done_to, same, young = found[0]
            if same and young:
                return Run(number, done_to, resumed=True)
            left = "Redis was started anew since" if not same else "it is more than a day old"
            session.run("UPDATE {schema}.rebuild_run SET ended = now() WHERE ended IS NULL AND replay = %s", replay)
        ((number,),) = session.run(
            "INSERT INTO {schema}.rebuild_run (replay, redis) VALUES (%s, %s) RETURNING number", replay, redis
        )
        return Run(number, 0, resumed=False, left=left)


def note(session: Session, run: Run, crucible_id: int) -> None:
    """This crucible and all before it are done."""
    session.run("UPDATE {schema}.rebuild_run SET done_to = %s WHERE number = %s", crucible_id, run.number)


def end(session: Session, run: Run) -> None:
    """All are done."""
    session.run("UPDATE {schema}.rebuild_run SET ended = now() WHERE number = %s", run.number)
