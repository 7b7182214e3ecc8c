"""Cancels a crucible for an operator: the site sees it cancelled, and everything goes back."""

from watcher.model.errors import WatcherError
from watcher.model.settlement import BEFORE_THE_RESULT, CANCELLED, SettlementState
from watcher.postgres.own import settlement
from watcher.postgres.session import Session
from watcher.postgres.site import results


class TooLateError(WatcherError):
    """Raised when a crucible has a result already, or was never one of ours: nothing was changed."""


def check(session: Session, crucible_id: int) -> None:
    """Check that a crucible can be cancelled, as far as is known now; nothing is changed.

    Raises:
        TooLateError: it has a result, is cancelled, or has no ending.
        TemporaryError: PostgreSQL is away.
    """
    settlement.note_crucibles(session)
    one = settlement.load(session, crucible_id)
    if one is None or one.state not in {*BEFORE_THE_RESULT, SettlementState.PARKED}:
        raise _too_late(crucible_id, one)


def cancel(session: Session, crucible_id: int, by: str) -> SettlementState:
    """Cancel a crucible that has no result yet; return the state of its ending.

    Args:
        session: as the role that settles.
        crucible_id: which.
        by: who asks, for the log.

    Raises:
        TooLateError: it has a result, is cancelled, or has no ending.
        TemporaryError: PostgreSQL is away, or the crucible is being written.
    """
    settlement.note_crucibles(session)
    with session.together():
        # The row's lock first, like who writes a result: one of both is before the other, and the later one sees it.
        crucible = results.lock_row(session, crucible_id)
        state = settlement.cancel(session, crucible_id, by)
        if state is None:
            raise _too_late(crucible_id, settlement.load(session, crucible_id))
        if crucible is not None and crucible.now.status != CANCELLED:
            results.set_status(session, crucible_id, CANCELLED)
    return state


def _too_late(crucible_id: int, one: settlement.Settlement | None) -> TooLateError:
    if one is None:
        return TooLateError(f"crucible {crucible_id} has no ending: it is not there, or was over before anybody looked")
    return TooLateError(f"crucible {crucible_id} is {one.state.value}: it is cancelled, or has a result that stands")
