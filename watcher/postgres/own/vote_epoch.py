"""Epochs of vote numbers, raised whenever Redis may have forgotten a number that it gave out."""

from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "vote_epoch.sql")


def raise_epoch(session: Session, crucible_id: int, known: int) -> int:
    """Return a new epoch, above every one that was used.

    Args:
        session: the watcher's own schema.
        crucible_id: whose votes.
        known: highest epoch of votes that were seen elsewhere; 0 if there are none.

    Returns:
        The epoch, 1 for a crucible's first. Nobody gets the same one twice.
    """
    ((epoch,),) = session.run(_STATEMENTS["raise"], crucible_id, known, known)
    return int(epoch)


def last_epoch(session: Session, crucible_id: int) -> int:
    """Return the last epoch that was given out; 0 if there was none, and hence no vote."""
    found = session.read(_STATEMENTS["last"], crucible_id)
    return int(found[0][0]) if found else 0
