"""Collects fees and gives them back: carries out the rows of the channel ``buzz`` that entries write.

What was really collected is written down and the entry is decided again in one transaction with the row's end.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from watcher.buzz.port import Buzz, BuzzRefusedError, InsufficientFundsError
from watcher.entries.decider import CHANNEL, COLLECT, REFUND, Decider
from watcher.model.buzz import YELLOW, Charge, Leg
from watcher.model.crucible_events import CrucibleEvent, fee_refunded
from watcher.model.entry_decision import FeeSource
from watcher.model.entry_rules import Payment
from watcher.model.entry_verdict import VerdictState
from watcher.model.outbox import Delivered, DeliveryOutcome, OutboxRow, OutboxStep, Refused
from watcher.postgres.own import crucible_event, entry_verdict
from watcher.postgres.session import Session
from watcher.runtime.http_client import OutcomeUnknownError

CHARGE_DESCRIPTION = "Crucible entry fee"
REFUND_DESCRIPTION = "Crucible entry fee refund"


class FeeExecutor:
    """Collects and refunds fees.

    Args:
        buzz: the books.
        open_session: connects to PostgreSQL, for the length of a block.
        decider: decides an entry again once its fee is known.
    """

    channel = CHANNEL

    def __init__(
        self, buzz: Buzz, open_session: Callable[[], AbstractContextManager[Session]], decider: Decider
    ) -> None:
        self._buzz, self._open, self._decider = buzz, open_session, decider

    def execute(self, row: OutboxRow) -> DeliveryOutcome:
        """Do what a row says; see :class:`watcher.outbox.dispatcher.Executor`."""
        try:
            match row.kind:
                case "collect":
                    return self._collect(row)
                case "refund":
                    return self._refund(row)
        except BuzzRefusedError as error:
            return Refused(str(error))
        return Refused(f"given a row of kind {row.kind!r}, expected {COLLECT} or {REFUND}")

    def follow(self, session: Session, row: OutboxRow, outcome: DeliveryOutcome, step: OutboxStep) -> None:
        """Write down what a fee came to, and decide its entry; or tell others that it went back."""
        del step
        if row.kind == REFUND and isinstance(outcome, Delivered) and outcome.result["taken"]:
            crucible_event.write(session, [_went_back(row.payload, outcome.result["taken"])])
        if row.kind != COLLECT or not isinstance(outcome, Delivered) or "payment" not in outcome.result:
            return
        entry = row.payload["entry"]
        payment, collected = Payment(outcome.result["payment"]), int(outcome.result["collected"])
        if entry_verdict.settle_fee(session, entry, payment, collected):
            self._decider.decide(session, [entry], again=True)

    def _collect(self, row: OutboxRow) -> DeliveryOutcome:
        payload = row.payload
        if payload["source"] == FeeSource.SITE:
            return _collected(self._buzz.collected(payload["prefix"]))
        if not self._still_wanted(payload["entry"]) and not row.perhaps_sent:
            return Delivered(
                {"payment": Payment.SETTLED.value, "collected": 0, "why": "the entry does not wait any more"}
            )
        try:
            return _collected(self._buzz.charge(_charge(payload), again=row.perhaps_sent))
        except InsufficientFundsError as error:
            return Delivered({"payment": Payment.INSUFFICIENT_FUNDS.value, "collected": 0, "why": str(error)})

    def _refund(self, row: OutboxRow) -> DeliveryOutcome:
        refund = self._buzz.refund(row.payload["prefix"], REFUND_DESCRIPTION)
        taken = refund.amount
        if refund.before:
            found = sum(leg.amount for leg in self._buzz.collected(row.payload["prefix"]))
            self._check_found(row.payload["prefix"], found)
            if row.perhaps_sent:  # it went back by an attempt whose answer was lost
                taken = found
        return Delivered({"refunded": refund.amount, "before": refund.before, "taken": taken})

    def _check_found(self, prefix: str, found: int) -> None:
        """Check that the books still know what was collected, if anything is known to have been.

        Raises:
            OutcomeUnknownError: they know of nothing, so that whoever says that nothing is owed may be somebody else.
        """
        if found:
            return
        with self._open() as session:
            known = entry_verdict.collected_under(session, prefix)
        if known:
            raise OutcomeUnknownError(
                f"{known} Buzz were collected under {prefix}, of which Buzz knows nothing: it is open if they went back"
            )

    def _still_wanted(self, entry_id: int) -> bool:
        """Return whether the entry still waits: one that was withdrawn or rejected meanwhile is not charged first."""
        with self._open() as session:
            return entry_verdict.state_of(session, entry_id) is VerdictState.WAITING


def _went_back(payload: Mapping[str, Any], amount: int) -> CrucibleEvent:
    return fee_refunded(
        crucible_id=payload["crucible"], entry_id=payload.get("entry"), user_id=payload["user"], amount=amount,
        prefix=payload["prefix"],
    )  # fmt: skip


def _charge(payload: Mapping[str, Any]) -> Charge:
    return Charge(
        user_id=payload["user"], amount=payload["amount"], prefix=payload["prefix"],
        crucible_id=payload["crucible"], description=CHARGE_DESCRIPTION,
    )  # fmt: skip


def _collected(legs: list[Leg]) -> Delivered:
    """Return what some legs come to. Money of another kind is not ours to turn into prizes, and goes back."""
    kinds = {leg.account_type for leg in legs}
    payment = Payment.SETTLED if kinds <= {YELLOW} else Payment.WRONG_ACCOUNT_TYPE
    return Delivered({"payment": payment.value, "collected": sum(leg.amount for leg in legs)})
