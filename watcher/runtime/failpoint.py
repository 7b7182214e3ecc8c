"""Named places where a test can have the process die or stand still: the proof of what the guarantees say.

``CRUCIBLE_FAILPOINT=plan.committed`` kills the process (SIGKILL, by itself) when it first gets there,
``plan.committed:3`` the third time, ``insert.sending:1:stop`` suspends it (SIGSTOP) until somebody sends SIGCONT.
Unset, as everywhere but in tests, a place costs one comparison a batch.
"""

import os
import signal
import threading
from typing import Final

VARIABLE: Final = "CRUCIBLE_FAILPOINT"

PLACES: Final = (
    "poll.taken",
    "redis.applied",
    "dead_letters.flushed",
    "plan.naming",
    "plan.committed",
    "insert.sending",
    "insert.answered",
    "plan.written",
    "idle.acknowledged",
)
"""Every place that a change passes, in its order."""

DRAIN_PLACES: Final = (
    "drain.naming",
    "drain.named",
    "drain.votes_sending",
    "drain.votes_sent",
    "drain.events_sending",
    "drain.events_sent",
    "drain.verified",
    "drain.trimmed",
    "drain.closed",
)
"""Every place that votes pass on their way from Redis' log to ClickHouse, in their order."""

ENTRY_PLACES: Final = (
    "verdicts.decided",
    "verdicts.written",
    "verdicts.committing",
    "outbox.taken",
    "outbox.answered",
    "outbox.finishing",
    "outbox.finished",
)
"""Every place that an entry passes: its verdict, then what is to be done outside because of it."""

ENDING_PLACES: Final = (
    "ending.claimed",
    "ending.freezing",
    "ending.frozen",
    "ending.votes_frozen",
    "ending.drained",
    "ending.proven",
    "result.locked",
    "result.ranked",
    "result.announced",
    "result.committing",
    "result.committed",
    "ending.let_go",
)
"""Every place that a crucible passes from its end to its result."""

CANCEL_PLACES: Final = (
    "ending.claimed",
    "refunds.committing",
    "refunds.begun",
    "refunds.written",
    "refunds.finishing",
)
"""Every place that a cancelled crucible passes until all of its fees went back."""

REPAIR_PLACES: Final = ("repair.decided", "repair.copied", "repair.written", "repair.doubted", "repair.shown")
"""Every place that a repair passes: of counts and of votes once it is decided, then of what Redis shows."""

BACKFILL_PLACES: Final = (
    "backfill.begun",
    "backfill.compared",
    "backfill.mended",
    "backfill.noted",
    "backfill.shown",
    "backfill.finished",
)
"""Every place that a backfill passes, besides those of the repairs that it makes."""

CONNECTOR_BACKFILL_PLACES: Final = ("backfill.asked", "backfill.sent", "backfill.brought")
"""Every place that a backfill by the connector passes before it counts: asked, all rows sent, all rows written."""

REPLAY_PLACES: Final = ("replay.shown", "replay.decided", "replay.written", "replay.noting")
"""Every place that dead letters pass that are taken again."""

MEANING_PLACES: Final = ("meaning.gathered",)
"""Every place that a replay of metrics passes, besides those of what it decides to count."""

VIEW_PLACES: Final = ("view.routed", "view.filled", "view.exchanged", "view.moved")
"""Every place that a view passes when it is made anew."""

ALL_PLACES: Final = (
    *(*PLACES, *DRAIN_PLACES, *ENTRY_PLACES, *ENDING_PLACES, *CANCEL_PLACES[1:]),
    *REPAIR_PLACES,
    *VIEW_PLACES,
    *BACKFILL_PLACES,
    *CONNECTOR_BACKFILL_PLACES,
    *REPLAY_PLACES,
    *MEANING_PLACES,
)

ACTIONS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class _Armed:
    def __init__(self, text: str) -> None:
        place, _, rest = text.partition(":")
        count, _, action = rest.partition(":")
        number = int(count or 1) if (count or "1").isdecimal() else 0
        if place not in ALL_PLACES or not number or action not in {"", *ACTIONS}:
            raise ValueError(
                f"{VARIABLE}: given {text!r}, expected PLACE[:COUNT[:kill|stop]] with COUNT from 1 and PLACE one of "
                f"{', '.join(ALL_PLACES)}"
            )
        self.place, self.left, self.signal = place, number, ACTIONS[action or "kill"]


_armed = _Armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def reach(place: str) -> None:
    """Say that the process is at ``place``."""
    if _armed is None or _armed.place != place:
        return
    _armed.left -= 1
    if _armed.left == 0:
        # To this thread: sent to the process, another might take it while this one goes on for a moment.
        signal.pthread_kill(threading.get_ident(), _armed.signal)
