"""The life of one row of the outbox, which is something to be done outside, once. Without any I/O.

A row is written in the transaction of what it announces. Whoever carries it out commits that it is *sending* before
the request leaves; so a row that is found sending may have been sent, and is looked up at the other side before it is
sent again.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from watcher.model.words import counted

MAX_ATTEMPTS: Final = 40
"""Attempts until a row is parked. Fewer: an absence of hours parks what it should not; more: it is told later that it
will never go through by itself. With the waits below it is some two and a half hours."""
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 300.0
"""Waits after the first failure and after many, each twice the one before."""
LEASE_SECONDS: Final = 60.0
"""Seconds for which a row belongs to the process that took it. Shorter than a request's timeout: two would send at
once. Longer: rows of a process that died wait."""


class OutboxState(StrEnum):
    """Where a row is; stored as it is spelt here."""

    PENDING = "pending"
    """It was not sent, as far as is known for certain."""
    SENDING = "sending"
    """Somebody has taken it, and may have sent it."""
    UNKNOWN = "unknown"
    """It was sent, and whether it was carried out is to be looked up."""
    DONE = "done"
    PARKED = "parked"
    """It waits until somebody has looked: see its reason, mend the cause, redrive it."""


UNFINISHED: Final = (OutboxState.PENDING, OutboxState.SENDING, OutboxState.UNKNOWN, OutboxState.PARKED)
"""States of rows that hold back the later rows of their subject."""


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be done."""

    id: int
    channel: str
    """Who carries it out: ``buzz``, ``notify``."""
    kind: str
    """What is to be done, in that channel's words."""
    subject: str
    """What it is about, e.g. ``entry:1001``: rows of one subject are carried out one after the other."""
    key: str
    """Its name, once and for all: a second row with this key is the same row."""
    payload: Mapping[str, Any]
    state: OutboxState = OutboxState.PENDING
    attempts: int = 0

    @property
    def perhaps_sent(self) -> bool:
        """Return whether an earlier attempt may have been carried out, so that it has to be looked up first."""
        return self.state in {OutboxState.SENDING, OutboxState.UNKNOWN}


class Delivered(msgspec.Struct, frozen=True):
    """The request was carried out, now or by an earlier attempt."""

    result: Mapping[str, Any] = {}


class NotSent(msgspec.Struct, frozen=True):
    """The request was certainly not carried out, and may be tried again."""

    error: str


class Unknown(msgspec.Struct, frozen=True):
    """The request may have been carried out."""

    error: str


class Refused(msgspec.Struct, frozen=True):
    """The request was not carried out, and never will be as it is."""

    error: str


DeliveryOutcome = Delivered | NotSent | Unknown | Refused
"""What an attempt came to."""


class OutboxStep(msgspec.Struct, frozen=True):
    """What becomes of a row after an attempt."""

    state: OutboxState
    wait_seconds: float = 0.0
    """Until the next attempt."""
    error: str | None = None
    result: Mapping[str, Any] | None = None


def after(row: OutboxRow, outcome: DeliveryOutcome, spread: float) -> OutboxStep:
    """Return what becomes of a row.

    Args:
        row: as it was when it was taken; its attempts count this one.
        outcome: of the attempt.
        spread: 0 to 1, by chance: how much of a quarter of the wait is taken away, so that rows that failed together do
            not all come back together.

    >>> row = OutboxRow(id=1, channel="buzz", kind="refund", subject="entry:1", key="k", payload={}, attempts=3)
    >>> after(row, NotSent("away"), 0.0)
    OutboxStep(state=<OutboxState.PENDING: 'pending'>, wait_seconds=4.0, error='away', result=None)
    >>> after(row, Refused("no such account"), 0.0).state.value
    'parked'
    """
    match outcome:
        case Delivered(result):
            return OutboxStep(OutboxState.DONE, result=result)
        case Refused(error):
            return OutboxStep(OutboxState.PARKED, error=error)
        case NotSent(error) | Unknown(error):
            if row.attempts >= MAX_ATTEMPTS:
                tries = counted(row.attempts, "attempt")
                return OutboxStep(OutboxState.PARKED, error=f"given up after {tries}: {error}")
            wait = min(FIRST_WAIT_SECONDS * 2.0 ** min(row.attempts - 1, 32), LONGEST_WAIT_SECONDS)
            # Once it may have been sent, a later attempt that was not sent does not make it unsent.
            unknown = isinstance(outcome, Unknown) or row.perhaps_sent
            state = OutboxState.UNKNOWN if unknown else OutboxState.PENDING
            return OutboxStep(state, wait * (1 - 0.25 * spread), error)
