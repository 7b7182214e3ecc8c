"""Gives everything back of a crucible that was cancelled, or that is gone: every fee, and that for setting it up."""

from watcher.model.settlement import Action, CrucibleOutcome, OutcomeKind, SettlementState, next_action
from watcher.postgres.own import entry_facts, outbox, settlement
from watcher.postgres.own.outbox import NewRow
from watcher.postgres.own.settlement import Settlement, StepResult
from watcher.postgres.session import Session
from watcher.postgres.site import results
from watcher.runtime.failpoint import reach
from watcher.settlement.last_entries import LastEntries
from watcher.settlement.moving import AWAIT_SECONDS, Wait, moved
from watcher.settlement.result import CHANNEL, Announce

SETUP = "setup"
"""Why the fee for setting a crucible up goes back, in the place of an entry's reasons."""


class Refunds:
    """Gives fees back.

    Args:
        entries: decides entries; each that does not take part any more gets its fee back.
        announce: writes all that is told of a crucible that was cancelled.
        observe: nothing was charged, so nothing is given back (``entries.mode``).
    """

    def __init__(self, entries: LastEntries, announce: Announce, *, observe: bool) -> None:
        self._entries, self._announce, self._observe = entries, announce, observe
        self._sent_home = set[int]()

    def begin(self, session: Session, one: Settlement) -> Settlement:
        """Decide for good that there is no result; return the ending, unchanged if the crucible's row differs."""
        with session.together():
            entry_facts.lock_crucible(session, one.crucible_id)
            crucible = results.lock_row(session, one.crucible_id)
            if next_action(one.state, crucible.now if crucible else None) is not Action.REFUND:
                return one
            now = moved(session, one, SettlementState.REFUNDING)
            reach("refunds.committing")
        reach("refunds.begun")
        return now

    def go_on(self, session: Session, one: Settlement) -> Settlement | Wait:
        """Have everything go back, and announce it once all of it has."""
        if one.crucible_id not in self._sent_home:  # a process that comes later does it again, and finds it done
            self._give_back_setup(session, one)
            self._entries.send_home(session, one.crucible_id)
            self._sent_home.add(one.crucible_id)
            reach("refunds.written")
        if settlement.is_unfinished(session, one.crucible_id, CHANNEL):
            return Wait(AWAIT_SECONDS)
        with session.together():
            is_gone = settlement.crucible_now(session, one.crucible_id) is None
            refunds = settlement.refunds(session, one.crucible_id, is_gone=is_gone)
            outcome = CrucibleOutcome(
                crucible_id=one.crucible_id, name=one.name, creator_id=one.creator_id, kind=OutcomeKind.CANCELLED,
                entries=settlement.entries_decided(session, one.crucible_id), refunds=refunds, frozen_at=one.frozen_at,
            )  # fmt: skip
            self._announce(session, outcome)
            refunded = sum(each.amount for each in refunds)
            now = moved(session, one, SettlementState.CANCELLED, StepResult(entries=outcome.entries, refunded=refunded))
            reach("refunds.finishing")
        self._sent_home.discard(one.crucible_id)
        return now

    def _give_back_setup(self, session: Session, one: Settlement) -> None:
        if one.setup_prefix is None or self._observe:
            return
        key = f"refund:{one.setup_prefix}:{SETUP}:{one.crucible_id}"
        payload = {
            "crucible": one.crucible_id, "user": one.creator_id, "prefix": one.setup_prefix, "reasons": [SETUP],
        }  # fmt: skip
        outbox.put(session, [NewRow(CHANNEL, "refund", f"setup:{one.crucible_id}", key, payload)])
