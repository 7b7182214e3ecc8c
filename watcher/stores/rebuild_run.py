"""How far a rebuild of all crucibles has come; crucibles are taken in the order of their ids."""

from dataclasses import dataclass

from watcher.stores.store import Store


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way."""

    number: int
    done_to: int
    """Id of the last crucible that is done; 0 before the first."""
    resumed: bool


def begin(store: Store, *, replay: bool, anew: bool) -> Run:
    """Go on with the last run of the same kind that was not finished, or begin one.

    Args:
        store: the watcher's own schema.
        replay: the kind.
        anew: begin at the first crucible whatever there is.
    """
    with store.together():
        store.lock("rebuild")
        if anew:
            store.run("UPDATE {schema}.rebuild_run SET ended = now() WHERE ended IS NULL AND replay = %s", replay)
        found = store.run(
            "SELECT number, done_to FROM {schema}.rebuild_run WHERE ended IS NULL AND replay = %s "
            "ORDER BY number DESC LIMIT 1",
            replay,
        )
        if found:
            return Run(found[0][0], found[0][1], resumed=True)
        ((number,),) = store.run("INSERT INTO {schema}.rebuild_run (replay) VALUES (%s) RETURNING number", replay)
        return Run(number, 0, resumed=False)


def note(store: Store, run: Run, crucible_id: int) -> None:
    """This crucible and all before it are done."""
    store.run("UPDATE {schema}.rebuild_run SET done_to = %s WHERE number = %s", crucible_id, run.number)


def end(store: Store, run: Run) -> None:
    """All are done."""
    store.run("UPDATE {schema}.rebuild_run SET ended = now() WHERE number = %s", run.number)
