"""The steps of an ending: what is done in each state, and the state that it leads to.

Each step may be done again by anybody: what it does outside is harmless the second time, and what it writes is one
transaction with the new state, which only the owner of the ending in the old state gets through.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from watcher.model import crucible_events
from watcher.model.crucible_events import CrucibleEvent
from watcher.model.settlement import Action, SettlementState, next_action
from watcher.postgres.own import entry_facts, settlement
from watcher.postgres.own.settlement import Settlement, StepResult
from watcher.postgres.session import Session
from watcher.postgres.site import results
from watcher.runtime.failpoint import reach
from watcher.settlement.faults import ParkedError
from watcher.settlement.last_entries import LastEntries
from watcher.settlement.moving import AWAIT_SECONDS, Wait, moved
from watcher.settlement.ports import Ballots, Differs, Proven
from watcher.settlement.refunds import Refunds
from watcher.settlement.result import CHANNEL, ResultWriter

DRAIN_SECONDS: Final = 20.0
"""Seconds that one step waits for votes to come to ClickHouse. Longer: other endings wait behind it; shorter: more
looks."""
NOTICES: Final = "notify"
"""Channel of the outbox that tells people."""

SettlementStep = Callable[[Session, Settlement], Settlement | Wait]
Tell = Callable[[Session, Iterable[CrucibleEvent]], None]
"""Writes events for other services, within the transaction of what they tell."""


class Steps:
    """Takes endings from state to state.

    Args:
        ballots: the votes.
        entries: decides the last entries.
        result: writes results.
        refunds: gives everything back of a crucible that is cancelled.
        tell: writes that a crucible is frozen.
        fee_patience: seconds after the freeze for which the result waits for fees that are being taken.
    """

    def __init__(
        self,
        ballots: Ballots,
        entries: LastEntries,
        result: ResultWriter,
        refunds: Refunds,
        *,
        tell: Tell,
        fee_patience: float,
    ) -> None:
        self._ballots, self._entries, self._result = ballots, entries, result
        self._tell, self._fee_patience = tell, fee_patience
        self._proven: tuple[int, Proven] | None = None
        self._steps: Final[Mapping[Action, SettlementStep]] = {
            Action.WAIT: lambda _session, _one: Wait(0.0),
            Action.FREEZE: self._freeze,
            Action.DRAIN: self._drain,
            Action.PROVE: self._prove,
            Action.RANK: self._rank,
            Action.LET_GO: self._let_go,
            Action.AWAIT_PAYMENTS: partial(_await, CHANNEL, SettlementState.ANNOUNCED),
            Action.AWAIT_NOTICES: partial(_await, NOTICES, SettlementState.DONE),
            Action.REFUND: refunds.begin,
            Action.GIVE_BACK: refunds.go_on,
            Action.PARK: _refuse,
        }

    def step(self, session: Session, one: Settlement) -> Settlement | Wait:
        """Do what is to be done next; return the ending as it is then.

        Raises:
            OvertakenError: another process was faster.
            ParkedError: it cannot go on by itself.
            TemporaryError: a neighbour is away.
        """
        return self._steps[next_action(one.state, settlement.crucible_now(session, one.crucible_id))](session, one)

    def _freeze(self, session: Session, one: Settlement) -> Settlement:
        """Write first that it is frozen: what Redis then refuses, whoever rebuilds it knows to refuse too.

        Who competes is written with it, so that nothing of that depends on how long the result takes.
        """
        with session.together():
            entry_facts.lock_crucible(session, one.crucible_id)
            crucible = results.lock_row(session, one.crucible_id)
            if next_action(one.state, crucible.now if crucible else None) is not Action.FREEZE:
                return one  # its end was moved just now
            now = moved(session, one, SettlementState.FROZEN)
            results.fix_competitors(session, one.crucible_id)
            if now.frozen_at is not None:
                self._tell(session, [crucible_events.frozen(one.crucible_id, now.frozen_at)])
            reach("ending.freezing")
        reach("ending.frozen")
        return now

    def _drain(self, session: Session, one: Settlement) -> Settlement | Wait:
        frozen = self._ballots.freeze(one.crucible_id)
        reach("ending.votes_frozen")
        if not self._ballots.drain(one.crucible_id, DRAIN_SECONDS):
            return Wait(AWAIT_SECONDS)
        with session.together():
            now = moved(session, one, SettlementState.DRAINED, StepResult(epoch=frozen.epoch, seq=frozen.seq))
        reach("ending.drained")
        return now

    def _prove(self, session: Session, one: Settlement) -> Settlement:
        proven = self._prove_now(one)
        with session.together():
            now = moved(
                session, one, SettlementState.PROVEN,
                StepResult(digest=proven.digest, votes=proven.votes, epoch=proven.epoch, seq=proven.seq),
            )  # fmt: skip
        self._proven = one.crucible_id, proven
        reach("ending.proven")
        return now

    def _rank(self, session: Session, one: Settlement) -> Settlement | Wait:
        self._entries.decide(session, one.crucible_id)
        if one.frozen_seconds < self._fee_patience and settlement.fees_under_way(session, one.crucible_id):
            return Wait(AWAIT_SECONDS)
        known, self._proven = self._proven, None
        proven = known[1] if known is not None and known[0] == one.crucible_id else self._prove_now(one)
        if proven.digest != one.digest:
            raise ParkedError(
                f"the votes give {proven.digest} now, and gave {one.digest} when the result was proven: somebody has "
                "changed votes of a crucible that is over. Nothing is paid. Once that is mended, `crucible settle "
                f"retry {one.crucible_id}`",
                {"digest": proven.digest, "votes": proven.votes},
            )
        return self._result.write(session, one, proven)

    def _prove_now(self, one: Settlement) -> Proven:
        found = self._ballots.prove(one.crucible_id)
        if isinstance(found, Differs):
            entries = [
                {
                    "entry": each.entry_id, "rating": each.rating, "votes": each.votes,
                    "replayed_rating": each.replayed_rating, "replayed_votes": each.replayed_votes,
                }
                for each in found.entries
            ]  # fmt: skip
            first = f"`crucible settle show {one.crucible_id}` names the first entries; " if entries else ""
            mending = (
                f"`crucible reconcile --crucible {one.crucible_id} --fix` brings in votes that Redis still has, and "
                'docs/settlement.md, "When one is parked", says what else may be; then '
                f"`crucible settle retry {one.crucible_id}`; or `crucible settle cancel {one.crucible_id}` gives every "
                "fee back"
                if found.votes_lack
                else f"bring Redis back with `crucible rebuild {one.crucible_id}`, then `crucible settle retry "
                f"{one.crucible_id}`"
            )
            raise ParkedError(
                f"Redis and the votes in ClickHouse differ: {found.what}. Nothing is paid. {first}{mending}",
                {"differences": entries},
            )
        return found

    def _let_go(self, session: Session, one: Settlement) -> Settlement:
        self._entries.let_go(session, one.crucible_id)
        reach("ending.let_go")
        with session.together():
            return moved(session, one, SettlementState.PAYING)


def _await(channel: str, to: SettlementState, session: Session, one: Settlement) -> Settlement | Wait:
    """Go on once nothing of a channel is left to be done, parked rows included: then nobody has to look."""
    if settlement.is_unfinished(session, one.crucible_id, channel):
        return Wait(AWAIT_SECONDS)
    with session.together():
        return moved(session, one, to)


def _refuse(_session: Session, one: Settlement) -> Settlement:
    raise ParkedError(
        "the crucible's status is not Active, and the result is not written: somebody else has closed it. Nothing is "
        f"paid. If it is to be settled here, make it Active again, then `crucible settle retry {one.crucible_id}`"
    )
