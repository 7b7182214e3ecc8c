"""Decides entries: reads the facts of a page in one question, decides in order, and writes all that follows as one.

One process at a time decides about a crucible, under a lock that ends with the transaction; so two entries at once at a
limit are one after the other, in whichever processes. What is to be done outside, a fee to be collected or given back,
is a row of the outbox in the same transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Final

import msgspec

from watcher.model.crucible_events import of_decisions
from watcher.model.decided_by import NO_END, DecidedBy
from watcher.model.entry_decision import Decision, EntryCandidate, FeePolicy, decide_in_order, pay_once, withdraw
from watcher.model.entry_rules import CrucibleRules
from watcher.model.entry_verdict import EntryReason, VerdictState
from watcher.model.left_payment import StrayPayment, strays, unseen_entries
from watcher.postgres.own import crucible_event, entries_to_decide, entry_facts, entry_verdict, left_payment, outbox
from watcher.postgres.own.entry_facts import FoundEntry
from watcher.postgres.own.outbox import NewRow
from watcher.postgres.session import Session
from watcher.runtime.failpoint import reach

PAGE_ENTRIES: Final = 1_000
"""Entries of one question and one transaction. More: the locks are held longer; fewer: more questions to the site's
database, which is promised one a thousand entries."""
CHANNEL: Final = "buzz"
COLLECT: Final = "collect"
REFUND: Final = "refund"
"""Kinds of rows of that channel that entries write."""

VotedOn = Callable[[int, Sequence[int]], set[int]]
"""Crucible, entries -> those for which a vote has counted. Raises ``TemporaryError``."""


class Decider:
    """Decides pages of entries, each as one transaction, or as a part of the caller's if there is one.

    Args:
        policy: what the settings say of fees.
        by: the role that decides, for the log of decisions.
        voted_on: asked about entries that would lose their place; None: nobody knows, and none of them loses it.
    """

    def __init__(self, policy: FeePolicy, by: str, voted_on: VotedOn | None = None) -> None:
        self._policy, self._by, self._voted_on = policy, by, voted_on

    def decide(
        self, session: Session, entry_ids: Sequence[int], *, gone: Sequence[int] = (), again: bool = False
    ) -> list[Decision]:
        """Decide entries of any crucibles; return what is another than before.

        Args:
            session: a connection.
            entry_ids: at most :data:`PAGE_ENTRIES`.
            gone: entries that are withdrawn first, if their row is gone indeed; as many at most.
            again: also those of which nothing has changed: what their crucible says has, or what was paid.
        """
        with session.together():
            crucibles = entry_facts.lock_crucibles_of(session, [*entry_ids, *gone])
            if not crucibles:
                return []
            left = self._withdraw(session, crucibles, gone) if gone else []
            new = self._decide(session, crucibles, entry_ids, again=again) if entry_ids else []
            return left + new + self._follow_places(session, crucibles, left + new)

    def take_back(self, session: Session, crucible_id: int | None = None) -> list[Decision] | None:
        """Have what the site took for entries go back where no row names it any more, a page of it.

        Args:
            session: a connection.
            crucible_id: of one crucible; None: of all.

        Returns:
            Verdicts that are other than before; None if there was nothing to look at.
        """
        notes = left_payment.noted(session, crucible_id, PAGE_ENTRIES)
        if not notes:
            return None
        with session.together():
            crucibles = entry_facts.lock_crucibles_of(
                session, [note.entry_id for note in notes], [note.crucible_id for note in notes]
            )
            left = left_payment.read(session, notes)
            replaced = [one.entry_id for one in left if one.is_replaced]
            gone = entry_facts.vanished(session, crucibles, replaced, another=True) if replaced else []
            unseen = list(pay_once(unseen_entries(left)))
            new = self._write(session, [withdraw(one, self._policy) for one in (*gone, *unseen)])
            self._give_back(session, strays(left, unseen))
            left_payment.forget(session, left)
            return new + self._follow_places(session, crucibles, new)

    def _withdraw(self, session: Session, crucible_ids: Sequence[int], entry_ids: Sequence[int]) -> list[Decision]:
        # Read under the lock: a row that came back with the same id is no withdrawal.
        gone = entry_facts.vanished(session, crucible_ids, entry_ids)
        return self._write(session, [withdraw(one, self._policy) for one in gone])

    def decides_by(self, rules: CrucibleRules) -> DecidedBy:
        """Return what is remembered of the rules by which a crucible's entries are decided."""
        end = NO_END if rules.end_ms is None else rules.end_ms
        text = msgspec.json.encode((msgspec.structs.replace(rules, end_ms=None), self._policy))
        return DecidedBy(rules.status, int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True), end, end)

    def _decide(
        self, session: Session, crucible_ids: Sequence[int], entry_ids: Sequence[int], *, again: bool
    ) -> list[Decision]:
        """Decide a page; return what is another than before."""
        return [one for one in self._decided(session, crucible_ids, entry_ids, again=again) if one.is_new]

    def _decided(
        self, session: Session, crucible_ids: Sequence[int], entry_ids: Sequence[int], *, again: bool
    ) -> list[Decision]:
        """Decide a page; return all of it."""
        page = entry_facts.facts(session, crucible_ids, entry_ids, again=again)
        decisions: list[Decision] = []
        for crucible_id, some in groupby(pay_once(one.candidate for one in page), key=lambda one: one.crucible_id):
            decisions += self._in_order(crucible_id, [one for one in some if not one.stands])
        self._give_back(session, filter(None, map(_stray, decisions)))
        self._write(session, decisions, page)
        return decisions

    def _in_order(self, crucible_id: int, page: list[EntryCandidate]) -> list[Decision]:
        decisions = list(decide_in_order(page, self._policy))
        if any(one.candidate.was_admitted and one.verdict.state is VerdictState.REJECTED for one in decisions):
            # Whoever keeps its place by votes may push out another one, who has votes as well: all are asked about.
            admitted = [one.entry_id for one in page if one.was_admitted]
            voted = set(admitted) if self._voted_on is None else self._voted_on(crucible_id, admitted)
            if voted:
                return list(decide_in_order(page, self._policy, voted))
        return decisions

    def _follow_places(self, session: Session, crucible_ids: Sequence[int], new: Sequence[Decision]) -> list[Decision]:
        """Decide entries again that may have a place which is free, or that hold one which is another entry's now."""
        before = sorted({one.candidate.crucible_id for one in new if one.gets_before_others})
        beyond = entries_to_decide.beyond_places(session, before, PAGE_ENTRIES) if before else []
        lost = self._decide(session, crucible_ids, beyond, again=True) if beyond else []
        return lost + self._fill_places(session, crucible_ids, [*new, *lost])

    def _fill_places(self, session: Session, crucible_ids: Sequence[int], new: Sequence[Decision]) -> list[Decision]:
        """Decide entries again that were out for want of a place that has become free."""
        left = [one.candidate for one in new if one.frees_a_place]
        freed = [
            (
                one.crucible_before or one.crucible_id,
                one.user_before or one.facts.user_id,
                one.image_before or one.image_id,
            )
            for one in left
        ]
        filled: list[Decision] = []
        after = entries_to_decide.START
        while freed:
            waiting = entries_to_decide.without_a_place(session, freed, after, PAGE_ENTRIES)
            if not waiting:
                break
            decisions = self._decided(session, crucible_ids, [entry for *_, entry in waiting], again=True)
            filled += [one for one in decisions if one.is_new]
            if len(waiting) < PAGE_ENTRIES:
                break
            after = waiting[-1]
            if decisions and EntryReason.TOTAL_LIMIT in decisions[-1].verdict.reasons:
                # Whoever comes after the last of these in its crucible finds no place either.
                full = decisions[-1].candidate.crucible_id
                freed = [one for one in freed if one[0] > full]
        return filled

    def _write(self, session: Session, decisions: list[Decision], page: Sequence[FoundEntry] = ()) -> list[Decision]:
        reach("verdicts.decided")
        rules = {one.candidate.crucible_id: one.candidate.facts.crucible for one in page}
        others = entry_verdict.write(
            session,
            decisions,
            self._by,
            digests={one.candidate.entry_id: one.digest for one in page},
            rules={number: self.decides_by(one) for number, one in rules.items() if one is not None},
        )
        reach("verdicts.written")
        # What somebody else has asked about or given back meanwhile is not asked about, and not given back.
        outbox.put(session, _outbox_rows(one for one in decisions if one.candidate.entry_id not in others))
        crucible_event.write(session, of_decisions(decisions))
        reach("verdicts.committing")
        return [one for one in decisions if one.is_new]

    def _give_back(self, session: Session, payments: Iterable[StrayPayment]) -> None:
        """Have payments go back that are no entry's fee."""
        some = [] if self._policy.observe else list(payments)
        if some:
            new = left_payment.give_back(session, some)
            outbox.put(session, (_refund_of(one) for one in some if one.prefix in new))


def _stray(one: Decision) -> StrayPayment | None:
    """Return what the site took for an entry besides its fee; None: nothing."""
    if one.stray is None:
        return None
    return StrayPayment(one.candidate.entry_id, one.candidate.crucible_id, one.candidate.facts.user_id, one.stray)


def _refund_of(one: StrayPayment) -> NewRow:
    about = {"entry": one.entry_id, "crucible": one.crucible_id, "user": one.user_id}
    payload = {**about, "prefix": one.prefix, "reasons": []}
    return NewRow(CHANNEL, REFUND, f"entry:{one.entry_id}", f"refund:{one.prefix}:{one.entry_id}", payload)


def _outbox_rows(decisions: Iterable[Decision]) -> Iterator[NewRow]:
    for one in decisions:
        if not one.is_new and one.noted is None:
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
