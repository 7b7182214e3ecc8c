"""Epochs of vote numbers: raised whenever it is not sure that Redis remembers every number that it gave out."""

from watcher.postgres.session import Session


def raise_epoch(session: Session, crucible_id: int, known: int) -> int:
    """A new epoch, above every one that was used.

    Args:
        session: the watcher's own schema.
        crucible_id: whose votes.
        known: highest epoch of votes that were seen elsewhere; 0 if there are none.

    Returns:
        The epoch, 1 for a crucible's first. Nobody gets the same one twice.
    """
    ((epoch,),) = session.run(
        "INSERT INTO {schema}.vote_epoch AS now (crucible_id, epoch) VALUES (%s, %s + 1) "
        "ON CONFLICT (crucible_id) DO UPDATE SET epoch = greatest(now.epoch, %s) + 1, raised = now() RETURNING epoch",
        crucible_id,
        known,
        known,
    )
    return int(epoch)


def last_epoch(session: Session, crucible_id: int) -> int:
    """The last epoch that was given out; 0 if there was none, and hence no vote."""
    found = session.run("SELECT epoch FROM {schema}.vote_epoch WHERE crucible_id = %s", crucible_id)
    return int(found[0][0]) if found else 0
