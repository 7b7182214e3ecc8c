"""Moves an ending from one state to the next, or not at all."""

from dataclasses import dataclass
from typing import Final

from watcher.model.settlement import SettlementState
from watcher.postgres.own import settlement
from watcher.postgres.own.settlement import Settlement, StepResult
from watcher.postgres.session import Session
from watcher.settlement.faults import OvertakenError

AWAIT_SECONDS: Final = 1.0
"""Seconds between two looks whether what is awaited has come. Longer: an ending is over later; shorter: more
questions."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Says that nothing can be done before some seconds have passed."""

    seconds: float


def moved(session: Session, one: Settlement, to: SettlementState, written: StepResult | None = None) -> Settlement:
    """Return an ending in its next state, within the caller's transaction.

    Raises:
        OvertakenError: somebody was faster; the transaction writes nothing.
    """
    now = settlement.move(session, one, to, written or StepResult())
    if now is None:
        raise OvertakenError(
            f"the ending of crucible {one.crucible_id} is not {one.state.value} any more, or proven anew"
        )
    return now
