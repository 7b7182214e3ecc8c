"""Decides entries of one crucible in their order, and says what has to be written and done because of it. Without I/O.

Whoever calls holds the crucible's lock, has read the facts under it, and writes all of the answer in one transaction.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum

import msgspec

from watcher.model.buzz import entry_prefix
from watcher.model.entry_rules import ACTIVE, COMPLETED, EntryFacts, Payment, decide
from watcher.model.entry_verdict import PLACE_REASONS, EntryReason, Verdict, VerdictState, reasons_told


class FeeSource(StrEnum):
    """Who takes the fee of an entry. Stored as it is spelt here."""

    SITE = "site"
    """The site took it, under a prefix of its own: what it came to is read back."""
    WATCHER = "watcher"
    """We take it, under a prefix made of ids."""


class EntryFee(msgspec.Struct, frozen=True):
    """What is known of an entry's fee, once somebody has asked or is asking."""

    prefix: str
    source: FeeSource
    payment: Payment = Payment.PENDING
    collected: int = 0


class FeePolicy(msgspec.Struct, frozen=True):
    """What the settings say of fees."""

    charge: bool = True
    """Take fees that the site has not taken."""
    observe: bool = False
    """Write verdicts, and charge and refund nothing."""


class EntryCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to be decided, as it was read."""

    entry_id: int
    crucible_id: int
    image_id: int
    facts: EntryFacts
    """Payment and what was collected are filled in here; the counts are of verdicts that were written before."""
    earlier_of_image: int = 0
    """Occupied entries of this crucible with its image, counted like the others."""
    site_prefix: str | None = None
    """Under which the site took the fee."""
    fee: EntryFee | None = None
    before: Verdict | None = None
    """The verdict that is written; None for an entry that has none."""
    image_before: int | None = None
    """The image that it is about, if another one."""
    crucible_before: int | None = None
    """The crucible that it is of, if another one: the entry was moved, and brings its fee along."""
    user_before: int | None = None
    """The entrant whom it has, if another one."""
    created_before_ms: int | None = None
    """When it was made as the verdict has it, if at another time: milliseconds since 1970."""
    enforced_before: bool = True
    """Whether it keeps out who is not admitted."""
    competes: bool | None = None
    """Whether it is one of those among whom places will be given; None: that is not fixed yet, or is over."""

    @property
    def occupies(self) -> bool:
        """Return whether it holds one of the places that are counted, here or where it was before."""
        return self.before is not None and self.before.holds_place

    @property
    def holds_place(self) -> bool:
        """Return whether it holds a place here: one from another crucible takes none from those that are in."""
        return self.occupies and self.crucible_before is None

    @property
    def was_admitted(self) -> bool:
        """Return whether it takes part here so far; votes that counted in another crucible mean nothing in this one."""
        return self.before is not None and self.before.state is VerdictState.ADMITTED and self.crucible_before is None

    @property
    def is_another(self) -> bool:
        """Return whether the verdict that is written is about another image, crucible or entrant."""
        return self.image_before is not None or self.crucible_before is not None or self.user_before is not None

    @property
    def stands(self) -> bool:
        """Return whether its verdict is decided for good: it counted in a result, or votes are closed.

        Whoever waits when votes are closed may still get in, if it competes. A crucible that is cancelled afterwards is
        another matter: then nobody takes part.
        """
        status = self.facts.crucible.status if self.facts.crucible else ""
        closed = self.competes is not None and status == ACTIVE and self.crucible_before is None
        decided = self.before is not None and self.before.state is not VerdictState.WAITING
        return decided and (status == COMPLETED or closed)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry came to, and what is to be done."""

    candidate: EntryCandidate
    verdict: Verdict
    fee: int = 0
    """Buzz that it adds to the pool."""
    collect: EntryFee | None = None
    """A fee to be asked for, now for the first time."""
    refund: str | None = None
    """Prefix of what is to be given back."""
    enforced: bool = True
    """Whether who is not admitted is kept out."""
    facts: EntryFacts | None = None
    """What it was decided by, with all counts and the fee; None: by none, because the entry's row is gone, or because
    its verdict was final."""

    @property
    def is_new(self) -> bool:
        """Return whether there is something to write."""
        one = self.candidate
        return (
            one.before != self.verdict
            or one.enforced_before != self.enforced
            or one.created_before_ms is not None
            or one.is_another
        )

    @property
    def noted(self) -> EntryFee | None:
        """Return the fee to be written down for the first time: asked for now, or given back unseen."""
        if self.collect is None and self.refund is not None and self.candidate.fee is None:
            return EntryFee(self.refund, FeeSource.SITE, Payment.SETTLED)
        return self.collect

    @property
    def stray(self) -> str | None:
        """Return the prefix of what the site took for the entry besides its fee, which is to go back; None: nothing.

        The first prefix that somebody asked about is the entry's. One that is the beginning of the other, or has it as
        its beginning, may name the same payment.
        """
        fee, other = self.candidate.fee, self.candidate.site_prefix
        if fee is None or other is None or fee.prefix.startswith(other) or other.startswith(fee.prefix):
            return None
        return other

    @property
    def frees_a_place(self) -> bool:
        """Return whether another entry may have the place that this one held, or its image."""
        leaves = not self.verdict.holds_place or self.candidate.is_another
        return self.candidate.occupies and leaves

    @property
    def gets_before_others(self) -> bool:
        """Return whether it stands before entries that were in, without there being a place for it.

        An entry does that keeps its place by votes, though for another entrant or image; or that has another date.
        """
        is_beyond = self.candidate.is_another and not PLACE_REASONS.isdisjoint(self.verdict.reasons)
        return self.verdict.holds_place and (is_beyond or self.candidate.created_before_ms is not None)

    @property
    def takes_part(self) -> bool:
        """Return whether judges may see the entry, if its image may be shown."""
        return self.verdict.state is VerdictState.ADMITTED or not self.enforced


def pay_once(page: Iterable[EntryCandidate]) -> Iterator[EntryCandidate]:
    """Yield entries, of any crucibles, such that a payment which several of them name is the first one's alone."""
    prefixes = set[str]()
    for one in page:
        if one.fee is None and one.site_prefix in prefixes:
            yield msgspec.structs.replace(one, site_prefix=None)
        else:
            yield one
        if one.site_prefix:
            prefixes.add(one.site_prefix)


def decide_in_order(
    page: Iterable[EntryCandidate], policy: FeePolicy, voted: Collection[int] = frozenset()
) -> Iterator[Decision]:
    """Yield a decision for each entry.

    Args:
        page: entries of one crucible in the order in which they came; see :func:`pay_once`.
        policy: of fees.
        voted: entries that votes have counted for, which keep their place where they would lose it.
    """
    users, images, total = Counter[int](), Counter[int](), 0
    for one in page:
        fee = _fee(one, policy)
        if _is_final(one):
            verdict = one.before or Verdict(VerdictState.REJECTED)
            yield Decision(candidate=one, verdict=verdict, enforced=not policy.observe)
            continue
        facts = _as_it_competes(one)
        # Counted were those before it, if it holds a place, and all others if not: as it was before this page.
        facts = msgspec.structs.replace(
            facts,
            earlier_of_user=facts.earlier_of_user + users[facts.user_id],
            earlier_in_all=facts.earlier_in_all + total,
            entered_already=one.earlier_of_image + images[one.image_id] > 0,
            payment=fee.payment if fee else Payment.SETTLED,
            collected=fee.collected if fee else 0,
            admitted_before=one.was_admitted,
        )
        verdict = decide(facts)
        if verdict.state is VerdictState.REJECTED and one.was_admitted and one.entry_id in voted:
            facts = msgspec.structs.replace(facts, voted_on=True)
            verdict = decide(facts)
        is_in = int(verdict.holds_place)
        users[facts.user_id] += is_in
        images[one.image_id] += is_in
        total += is_in
        if one.holds_place:
            users[facts.user_id if one.user_before is None else one.user_before] -= 1
            images[one.image_id if one.image_before is None else one.image_before] -= 1
            total -= 1
        yield _consequences(one, verdict, fee, policy, facts)


def withdraw(one: EntryCandidate, policy: FeePolicy) -> Decision:
    """Return the decision on an entry whose row was deleted."""
    return _consequences(one, Verdict(VerdictState.WITHDRAWN), _fee(one, policy), policy)


def foresee(one: EntryCandidate) -> Verdict:
    """Return the verdict on an entry that nobody has made yet, once its fee were paid, as its entrant may be told.

    Of somebody else's image nothing is told but that it is somebody else's: whoever asks may not be one to see it.
    """
    (decision,) = decide_in_order([one], _AS_IF_PAID)
    told = reasons_told(decision.verdict.reasons)
    state = VerdictState.REJECTED if EntryReason.NOT_IMAGE_OWNER in told else decision.verdict.state
    return Verdict(state, told)


_AS_IF_PAID = FeePolicy(observe=True)


def _as_it_competes(one: EntryCandidate) -> EntryFacts:
    """Return the facts about an entry; for one that came or is shown too late, the crucible is over."""
    crucible = one.facts.crucible
    if one.competes is not False or crucible is None or crucible.status != ACTIVE:
        return one.facts
    return msgspec.structs.replace(one.facts, crucible=msgspec.structs.replace(crucible, status=COMPLETED))


def _fee(one: EntryCandidate, policy: FeePolicy) -> EntryFee | None:
    """Return what is known of the entry's fee; None if there is none to be taken."""
    crucible = one.facts.crucible
    if one.fee is not None:
        return one.fee
    due = crucible is not None and crucible.entry_fee > 0
    if policy.observe:
        amount = crucible.entry_fee if crucible is not None and due else 0
        return EntryFee("", FeeSource.SITE, Payment.SETTLED, amount) if due else None
    if one.site_prefix:
        return EntryFee(one.site_prefix, FeeSource.SITE)
    if due and policy.charge:
        return EntryFee(entry_prefix(one.crucible_id, one.entry_id), FeeSource.WATCHER)
    return None


def _is_final(one: EntryCandidate) -> bool:
    """Return whether an entry was rejected and its fee given back: a refunded key can never be charged again."""
    is_out = one.before is not None and one.before.state in {VerdictState.REJECTED, VerdictState.WITHDRAWN}
    return is_out and one.fee is not None


def _is_ours_and_unasked(one: EntryCandidate, fee: EntryFee) -> bool:
    """Return whether it is for us to take the fee, and nobody has begun to."""
    return fee.source is FeeSource.WATCHER and one.fee is None


def _consequences(
    one: EntryCandidate, verdict: Verdict, fee: EntryFee | None, policy: FeePolicy, facts: EntryFacts | None = None
) -> Decision:
    if policy.observe or fee is None:
        return Decision(candidate=one, verdict=verdict, enforced=not policy.observe, facts=facts)
    if verdict.state is VerdictState.ADMITTED:
        return Decision(candidate=one, verdict=verdict, fee=fee.collected, facts=facts)
    if verdict.state is VerdictState.WAITING:
        asks = one.fee is None and EntryReason.FEE_PENDING in verdict.reasons
        return Decision(candidate=one, verdict=verdict, collect=fee if asks else None, facts=facts)
    # Not only what is known to be collected: the site may have taken it, and we may be taking it just now.
    nothing = fee.payment is not Payment.PENDING and fee.collected == 0
    given_back = None if nothing or _is_ours_and_unasked(one, fee) else fee.prefix
    return Decision(candidate=one, verdict=verdict, refund=given_back, facts=facts)
