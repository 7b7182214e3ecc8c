"""Pays prizes: carries out the rows of the channel ``buzz`` that results write."""

from watcher.buzz.port import Buzz, BuzzRefusedError
from watcher.model import crucible_events
from watcher.model.buzz import Paid, Payout
from watcher.model.outbox import Delivered, DeliveryOutcome, OutboxRow, OutboxStep, Refused
from watcher.model.prizes import ordinal
from watcher.outbox.dispatcher import Executor
from watcher.postgres.session import Session
from watcher.settlement.result import CHANNEL, PRIZE
from watcher.settlement.steps import Tell


class PrizeExecutor:
    """Pays prizes, and has another executor carry out the other rows of the channel.

    Args:
        buzz: the books.
        fees: carries out the rows of entries.
        tell: writes that a prize has arrived.
    """

    channel = CHANNEL

    def __init__(self, buzz: Buzz, fees: Executor, tell: Tell) -> None:
        self._buzz, self._fees, self._tell = buzz, fees, tell

    def execute(self, row: OutboxRow) -> DeliveryOutcome:
        """Do what a row says; see :class:`watcher.outbox.dispatcher.Executor`."""
        if row.kind != PRIZE:
            return self._fees.execute(row)
        told = row.payload
        payout = Payout(
            external_id=row.key, user_id=told["user"], amount=told["amount"], crucible_id=told["crucible"],
            description=f"Crucible prize - {ordinal(told['position'])} place",
        )  # fmt: skip
        try:
            (paid,) = self._buzz.pay([payout], again=row.perhaps_sent)
        except BuzzRefusedError as error:
            return Refused(str(error))
        if paid is Paid.REFUSED:
            return Refused(f"Buzz took the request and left out {row.key}: {payout.amount} to user {payout.user_id}")
        return Delivered({"paid": payout.amount, "before": paid is Paid.BEFORE})

    def follow(self, session: Session, row: OutboxRow, outcome: DeliveryOutcome, step: OutboxStep) -> None:
        """Write what follows from it; see :class:`watcher.outbox.dispatcher.Executor`."""
        if row.kind != PRIZE:
            self._fees.follow(session, row, outcome, step)
        elif isinstance(outcome, Delivered):
            told = row.payload
            self._tell(
                session,
                [
                    crucible_events.prize_paid(
                        crucible_id=told["crucible"], entry_id=told["entry"], user_id=told["user"],
                        amount=told["amount"],
                    )
                ],
            )  # fmt: skip
