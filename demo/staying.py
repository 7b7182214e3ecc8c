"""The demo after its audit, when everything stays up: what is said then, and whose verdict is the last one."""

from collections.abc import Callable

from demo.audit import AuditReport
from demo.pipeline import Told

ENDING = "ending: what is under way arrives, then all is compared once more"


def stay(
    verdict: str, told: Told, watch: Callable[[], None], end: Callable[[], None], look: Callable[[], AuditReport]
) -> AuditReport:
    """Say at once how the audit went, stay until somebody interrupts, and return what an audit finds by then.

    Args:
        verdict: on the audit before; said first, for whoever stays does not see the last line for as long.
        told: takes lines for whoever watches.
        watch: shows what happens until it is interrupted; raises when a part ends that should run.
        end: ends the daemon's roles as an operator does; raises when one does not end well.
        look: audits what there is now. What was found before people and time were at it again says nothing of it.

    Raises:
        ProgramError: a part ended while everything was to stay up, or did not end well.
    """
    told(verdict)
    try:
        watch()
    except KeyboardInterrupt:
        told(ENDING)
    end()
    return look()
