"""Decides entries: reads the facts of a page in one question, decides in order, and writes all that follows as one.

One process at a time decides about a crucible, under a lock that ends with the transaction; so two entries at once at a
limit are one after the other, in whichever processes. What is to be done outside, a fee to be collected or given back,
is a row of the outbox in the same transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from watcher.model.entry_decision import Candidate, Decision, FeePolicy, decide_in_order, withdraw
from watcher.model.entry_rules import CrucibleRules
from watcher.model.entry_verdict import VerdictState
from watcher.postgres.own import entry_verdict, outbox
from watcher.postgres.own.outbox import NewRow
from watcher.postgres.session import Session
from watcher.runtime.failpoint import reach

PAGE: Final = 1_000
"""Entries of one question and one transaction. More: the lock is held longer; fewer: more questions to the site's
database, which is promised one a thousand entries."""
CHANNEL: Final = "buzz"
COLLECT: Final = "collect"
REFUND: Final = "refund"
"""Kinds of rows of that channel that entries write."""

VotedOn = Callable[[int, Sequence[int]], set[int]]
"""Crucible, entries -> those for which a vote has counted. Raises ``TemporaryError``."""


class Decider:
    """Decides.

    Args:
        policy: what the settings say of fees.
        by: the role that decides, for the log of decisions.
        voted_on: asked about entries that would lose their place; None: nobody knows, and none of them loses it.
    """

    def __init__(self, policy: FeePolicy, by: str, voted_on: VotedOn | None = None) -> None:
        self._policy, self._by, self._voted_on = policy, by, voted_on

    def undecided(self, session: Session, crucible_id: int) -> list[Decision]:
        """Decide the next page of entries without a verdict; empty when there are none left."""
        with session.together():
            entry_verdict.lock(session, crucible_id)
            crucible = entry_verdict.rules(session, crucible_id)
            page = entry_verdict.undecided(session, crucible_id, crucible, PAGE)
            if page and crucible is not None:
                entry_verdict.note_crucible(session, crucible_id, crucible.status)
            return self._decide(session, crucible_id, page)

    def waiting(self, session: Session, crucible_id: int) -> Iterator[list[Decision]]:
        """Decide all entries that wait again, a page and a transaction at a time."""
        yield from self._all(session, crucible_id, entry_verdict.waiting)

    def decided(self, session: Session, crucible_id: int) -> Iterator[list[Decision]]:
        """Decide all entries with a verdict again, a page and a transaction at a time: rules or images may differ."""
        yield from self._all(session, crucible_id, entry_verdict.decided)

    def named(self, session: Session, crucible_id: int, entry_ids: Sequence[int]) -> list[Decision]:
        """Decide some entries of a crucible; within the caller's transaction if there is one."""
        with session.together():
            entry_verdict.lock(session, crucible_id)
            crucible = entry_verdict.rules(session, crucible_id)
            page = entry_verdict.named(session, crucible_id, crucible, entry_ids)
            return self._decide(session, crucible_id, page)

    def vanished(self, session: Session, crucible_id: int | None = None) -> list[Decision]:
        """Withdraw entries whose row is gone, a page of them; empty when there are none left."""
        found = entry_verdict.vanished(session, crucible_id, PAGE)
        decisions = []
        for crucible in sorted({one.crucible_id for one in found}):
            with session.together():
                entry_verdict.lock(session, crucible)
                # Read again under the lock: a row that came back with the same id is no withdrawal.
                gone = entry_verdict.vanished(session, crucible, PAGE)
                decisions += self._write(session, [withdraw(one, self._policy) for one in gone])
        return decisions

    def _all(
        self,
        session: Session,
        crucible_id: int,
        read: Callable[[Session, int, CrucibleRules | None, entry_verdict.Place, int], list[Candidate]],
    ) -> Iterator[list[Decision]]:
        after: entry_verdict.Place = entry_verdict.START
        while True:
            with session.together():
                entry_verdict.lock(session, crucible_id)
                crucible = entry_verdict.rules(session, crucible_id)
                page = read(session, crucible_id, crucible, after, PAGE)
                decisions = self._decide(session, crucible_id, page)
            if page:
                yield decisions
                after = (_timestamp(page[-1].facts.created_ms), page[-1].entry_id)
            if len(page) < PAGE:
                return

    def _decide(self, session: Session, crucible_id: int, page: list[Candidate]) -> list[Decision]:
        decisions = list(decide_in_order(page, self._policy))
        losing = [
            one.candidate.entry_id
            for one in decisions
            if one.verdict.state is VerdictState.REJECTED
            and one.candidate.before is not None
            and one.candidate.before.state is VerdictState.ADMITTED
        ]
        if losing:
            voted = set(losing) if self._voted_on is None else self._voted_on(crucible_id, losing)
            if voted:
                decisions = list(decide_in_order([_told(one, voted) for one in page], self._policy))
        return self._write(session, decisions)

    def _write(self, session: Session, decisions: list[Decision]) -> list[Decision]:
        reach("verdicts.decided")
        entry_verdict.write(session, decisions, self._by)
        reach("verdicts.written")
        outbox.put(session, _outbox_rows(decisions))
        reach("verdicts.committing")
        return [one for one in decisions if one.is_new]


def _told(one: Candidate, voted: set[int]) -> Candidate:
    """Return a candidate that knows whether a vote has counted for it."""
    facts = msgspec.structs.replace(one.facts, voted_on=one.entry_id in voted)
    return msgspec.structs.replace(one, facts=facts)


def _outbox_rows(decisions: Iterable[Decision]) -> Iterator[NewRow]:
    for one in decisions:
        if not one.is_new:
            continue
        entry = one.candidate.entry_id
        subject = f"entry:{entry}"
        about = {"entry": entry, "crucible": one.candidate.crucible_id, "user": one.candidate.facts.user_id}
        if one.collect is not None:
            crucible = one.candidate.facts.crucible
            amount = crucible.entry_fee if crucible else 0
            payload = {**about, "prefix": one.collect.prefix, "source": one.collect.source.value, "amount": amount}
            yield NewRow(CHANNEL, COLLECT, subject, f"collect:{one.collect.prefix}:{entry}", payload)
        if one.refund is not None:
            why = {"prefix": one.refund, "reasons": [reason.value for reason in one.verdict.reasons]}
            yield NewRow(CHANNEL, REFUND, subject, f"refund:{one.refund}:{entry}", {**about, **why})


def _timestamp(ms: int) -> str:
    """Return milliseconds since 1970 as PostgreSQL reads them, in UTC.

    >>> _timestamp(1_760_000_000_123)
    '2025-10-09 08:53:20.123'
    """
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{ms % 1000:03d}"
