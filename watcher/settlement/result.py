"""Writes a crucible's result: scores, positions, prizes, payments and all that is told of it, in ONE transaction.

Nothing is computed again after it. What is paid later is what was written here, whatever happens to the crucible's row,
to its entries, or to the votes.
"""

from collections.abc import Callable, Iterable
from typing import Final

from watcher.model.crucible_events import Payouts, payout_id
from watcher.model.final_ranking import rank, standings
from watcher.model.prizes import UnreadablePrizesError, divide, prize_shares
from watcher.model.settlement import (
    COMPLETED,
    Action,
    CrucibleOutcome,
    FinalStanding,
    FinalStandings,
    OutcomeKind,
    Proof,
    SettlementState,
    next_action,
)
from watcher.model.words import counted
from watcher.postgres.own import entry_facts, outbox, settlement
from watcher.postgres.own.outbox import NewRow
from watcher.postgres.own.settlement import Settlement, StepResult
from watcher.postgres.session import Session
from watcher.postgres.site import results
from watcher.runtime.failpoint import reach
from watcher.settlement.faults import EntriesMovedError, ParkedError
from watcher.settlement.moving import moved
from watcher.settlement.ports import Proven

CHANNEL: Final = "buzz"
PRIZE: Final = "prize"
"""Kind of row of that channel which pays one prize."""

Announce = Callable[[Session, CrucibleOutcome], None]
"""Writes all that is told of an outcome, within the transaction of what it tells."""


class ResultWriter:
    """Writes results.

    Args:
        announce: writes notices, and events for others.
        observe: verdicts keep nobody out (``entries.mode``).
        payouts: who pays the prizes.
    """

    def __init__(self, announce: Announce, *, observe: bool, payouts: Payouts) -> None:
        self._announce, self._observe, self._payouts = announce, observe, payouts

    def write(self, session: Session, one: Settlement, proven: Proven) -> Settlement:
        """Write the result of a crucible that is proven.

        Returns:
            The ending as it is then; unchanged, if the crucible's row says by now that there is no result.

        Raises:
            OvertakenError: another process was faster.
            ParkedError: it is not plain how the pool is to be divided.
            TemporaryError: PostgreSQL is away; all of it is written, or nothing.
        """
        with session.together():
            # In this order: who decides entries takes the first lock alone, and who enters one waits for the second.
            entry_facts.lock_crucible(session, one.crucible_id)
            crucible = results.lock_row(session, one.crucible_id)
            if crucible is None or next_action(one.state, crucible.now) is not Action.RANK:
                return one
            reach("result.locked")
            try:
                shares = prize_shares(crucible.prize_positions)
            except UnreadablePrizesError as error:
                raise ParkedError(
                    f'"prizePositions" cannot be read: {error}. Nothing is paid. Mend the column, then '
                    f"`crucible settle retry {one.crucible_id}`"
                ) from error
            results.fix_competitors(session, one.crucible_id)  # frozen by a version that did not
            entered = results.entered(session, one.crucible_id, undecided=self._observe)
            ranking = rank(entered, proven.ratings)
            pool = settlement.pool(session, one.crucible_id, observe=self._observe, entry_fee=crucible.entry_fee)
            division = divide(pool, shares, len(ranking.order))
            outcome = CrucibleOutcome(
                crucible_id=one.crucible_id, name=one.name, creator_id=one.creator_id, kind=OutcomeKind.ENDED,
                entries=len(entered), pool=pool, paid=division.paid, remainder=division.remainder,
                standings=standings(entered, ranking, division.prizes), frozen_at=one.frozen_at,
                proof=Proof(proven.digest, proven.votes),
            )  # fmt: skip
            if (written := results.write_results(session, one.crucible_id, ranking)) != len(entered):
                raise EntriesMovedError(
                    f"{counted(len(entered) - written, 'entry')} of crucible {one.crucible_id} went meanwhile"
                )
            reach("result.ranked")
            results.set_status(session, one.crucible_id, COMPLETED)
            settlement.end_entries(session, one.crucible_id)
            now = self._write_consequences(session, one, outcome)
            reach("result.committing")
        reach("result.committed")
        return now

    def _write_consequences(self, session: Session, one: Settlement, outcome: CrucibleOutcome) -> Settlement:
        won = list(prizes_of(outcome.standings))
        settlement.write_prizes(session, one.crucible_id, won)
        if self._payouts == "watcher":
            outbox.put(session, _payments(one.crucible_id, won))
        self._announce(session, outcome)
        reach("result.announced")
        written = StepResult(
            entries=outcome.entries, placed=len(outcome.standings), pool=outcome.pool, paid=outcome.paid,
            remainder=outcome.remainder, payouts=self._payouts,
        )  # fmt: skip
        return moved(session, one, SettlementState.RANKED, written)


def prizes_of(found: FinalStandings) -> Iterable[FinalStanding]:
    """Yield the entries that get a prize, best first."""
    for position, prize in sorted(found.prizes.items()):
        index = position - 1
        yield FinalStanding(found.entry_ids[index], found.user_ids[index], position, found.scores[index], prize)


def _payments(crucible_id: int, won: Iterable[FinalStanding]) -> Iterable[NewRow]:
    """Yield a row for each prize; each a subject of its own, so that one that is parked holds back no other."""
    for one in won:
        key = payout_id(crucible_id, one.entry_id)
        payload = {
            "crucible": crucible_id, "entry": one.entry_id, "user": one.user_id, "position": one.position,
            "amount": one.prize,
        }  # fmt: skip
        yield NewRow(CHANNEL, PRIZE, key, key, payload)
