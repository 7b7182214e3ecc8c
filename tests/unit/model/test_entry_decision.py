"""Entries decided in their order: who gets the last place, whose fee is asked for, and who gets it back."""

from typing import Any

import msgspec
import pytest

from tests.unit.model.test_entry_rules import BREAKS, GOOD, but
from watcher.model.entry_decision import (
    EntryCandidate,
    EntryFee,
    FeePolicy,
    FeeSource,
    decide_in_order,
    foresee,
    withdraw,
)
from watcher.model.entry_rules import Payment
from watcher.model.entry_verdict import EntryReason, Verdict, VerdictState

R = EntryReason
POLICY = FeePolicy()
FREE = but(GOOD, **{"crucible.entry_fee": 0})
ADMITTED, WAITING = Verdict(VerdictState.ADMITTED), Verdict(VerdictState.WAITING)


def entry(number: int, *, user: int = 7, image: int | None = None, facts: Any = FREE, **more: Any) -> EntryCandidate:
    """An entry of crucible 42 with an image of its own."""
    facts = but(facts, user_id=user, **{"image.user_id": user})
    return EntryCandidate(entry_id=number, crucible_id=42, image_id=image or 1_000 + number, facts=facts, **more)


def states(*page: EntryCandidate) -> list[str]:
    return [decision.verdict.state.value for decision in decide_in_order(page, POLICY)]


def test_the_earlier_ones_get_the_places() -> None:
    """Two a user, and the third is too many; another user's is not."""
    assert states(entry(1), entry(2), entry(3), entry(4, user=8)) == ["admitted", "admitted", "rejected", "admitted"]


def test_a_rejected_entry_takes_nobody_s_place() -> None:
    bad = entry(1, facts=but(FREE, **BREAKS[R.LEVEL_NOT_ALLOWED]))

    assert states(bad, entry(2), entry(3)) == ["rejected", "admitted", "admitted"]


def test_a_waiting_entry_holds_its_place() -> None:
    waits = entry(1, facts=but(FREE, **{"image.ingestion": "Pending"}))

    assert states(waits, entry(2), entry(3)) == ["waiting", "admitted", "rejected"]


def test_places_that_are_taken_count_for_new_ones_alone() -> None:
    """An entry that has its place is not counted against itself, however many came after it."""
    old = entry(1, before=ADMITTED)
    new = entry(2, facts=but(FREE, earlier_of_user=2))

    assert states(old, new) == ["admitted", "rejected"]


def test_a_place_that_becomes_free_is_free() -> None:
    leaves = entry(1, before=ADMITTED, facts=but(FREE, **BREAKS[R.LEVEL_NOT_ALLOWED]))
    comes = entry(2, facts=but(FREE, earlier_of_user=2))

    assert states(leaves, comes) == ["rejected", "admitted"]


def test_who_waits_for_want_of_a_place_holds_none() -> None:
    """It counts all others like somebody new, and nobody counts it, whether its scan comes or not."""
    pending = but(FREE, **{"image.ingestion": "Pending"}, earlier_of_user=2)
    waits = entry(1, facts=pending, before=Verdict(VerdictState.WAITING, (R.USER_LIMIT, R.IMAGE_NOT_SCANNED)))
    there = entry(2, facts=but(FREE, earlier_of_user=1), before=ADMITTED)

    assert not waits.holds_place
    assert states(waits, there) == ["waiting", "admitted"]
    assert not any(one.frees_a_place for one in decide_in_order([waits], POLICY))


def test_whoever_holds_a_place_has_it_when_another_one_goes() -> None:
    """At the same time as there are fewer of them."""
    limited = {"crucible.entry_limit": 1}
    leaves = entry(1, before=ADMITTED, facts=but(FREE, **limited, **BREAKS[R.LEVEL_NOT_ALLOWED]))
    stays = entry(2, before=ADMITTED, facts=but(FREE, **limited, earlier_of_user=1))

    assert states(leaves, stays) == ["rejected", "admitted"]


def test_votes_keep_those_who_are_pushed_out_by_votes() -> None:
    limited = {"crucible.entry_limit": 1}
    first = entry(1, before=ADMITTED, facts=but(FREE, **limited, **BREAKS[R.LEVEL_NOT_ALLOWED]))
    second, third = (entry(n, before=ADMITTED, facts=but(FREE, **limited, earlier_of_user=n - 1)) for n in (2, 3))

    decisions = list(decide_in_order([first, second, third], POLICY, {1, 2}))

    assert [one.verdict.state.value for one in decisions] == ["admitted", "admitted", "rejected"]
    assert decisions[1].verdict.reasons == (R.USER_LIMIT,)


@pytest.mark.parametrize(
    ("competes", "facts", "expected"),
    [
        (None, FREE, "admitted"),
        (True, FREE, "admitted"),
        (False, FREE, "rejected"),
        (True, but(FREE, **{"image.ingestion": "Pending"}), "waiting"),
        (False, but(FREE, **{"image.ingestion": "Pending"}), "rejected"),
    ],
)
def test_once_votes_are_closed_who_does_not_compete_gets_in_no_more(
    competes: bool | None, facts: Any, expected: str
) -> None:
    assert states(entry(1, competes=competes, facts=facts)) == [expected]
    assert states(entry(1, competes=competes, facts=facts, before=WAITING)) == [expected]


@pytest.mark.parametrize(
    ("competes", "before", "status", "more", "stands"),
    [
        (True, ADMITTED, "Active", {}, True),
        (False, ADMITTED, "Active", {}, True),
        (False, Verdict(VerdictState.REJECTED), "Active", {}, True),
        (True, WAITING, "Active", {}, False),
        (True, None, "Active", {}, False),
        (None, ADMITTED, "Active", {}, False),
        (True, ADMITTED, "Cancelled", {}, False),
        (False, ADMITTED, "Active", {"crucible_before": 41}, False),
        (None, ADMITTED, "Completed", {}, True),
        (None, WAITING, "Completed", {}, False),
    ],
)
def test_what_was_decided_when_votes_were_closed_stands(
    competes: bool | None, before: Verdict | None, status: str, more: dict[str, Any], stands: bool
) -> None:
    """Unless the crucible is cancelled then, or the entry came from another one."""
    facts = but(FREE, **{"crucible.status": status})

    assert entry(1, competes=competes, before=before, facts=facts, **more).stands is stands


def test_the_crucible_is_full() -> None:
    page = [entry(n, user=n, facts=but(FREE, earlier_in_all=8)) for n in range(1, 5)]

    assert states(*page) == ["admitted", "admitted", "rejected", "rejected"]


def test_the_same_image_twice_at_once() -> None:
    assert states(entry(1, image=5), entry(2, image=5)) == ["admitted", "rejected"]


def test_a_fee_is_asked_for_once_all_else_holds() -> None:
    (decision,) = decide_in_order([entry(1, facts=GOOD)], POLICY)

    assert decision.verdict == Verdict(VerdictState.WAITING, (R.FEE_PENDING,))
    assert decision.collect == EntryFee("crucible-entry-42-1-", FeeSource.WATCHER)


def test_a_fee_that_the_site_took_is_read_back() -> None:
    (decision,) = decide_in_order([entry(1, facts=GOOD, site_prefix="site-1")], POLICY)

    assert decision.collect == EntryFee("site-1", FeeSource.SITE)


def test_a_fee_is_asked_for_once() -> None:
    asked = EntryFee("crucible-entry-42-1-", FeeSource.WATCHER)
    waits = Verdict(VerdictState.WAITING, (R.FEE_PENDING,))

    (decision,) = decide_in_order([entry(1, facts=GOOD, fee=asked, before=waits)], POLICY)

    assert not decision.is_new
    assert decision.collect is None


def test_what_was_collected_is_the_pool() -> None:
    paid = EntryFee("site-1", FeeSource.SITE, Payment.SETTLED, 60)

    (decision,) = decide_in_order([entry(1, facts=GOOD, fee=paid, before=WAITING)], POLICY)

    assert (decision.verdict, decision.fee) == (ADMITTED, 60)


@pytest.mark.parametrize(
    ("more", "refund"),
    [
        ({}, None),
        ({"site_prefix": "site-1"}, "site-1"),
        ({"fee": EntryFee("p-", FeeSource.WATCHER)}, "p-"),
        ({"fee": EntryFee("p-", FeeSource.WATCHER, Payment.SETTLED, 100)}, "p-"),
        ({"fee": EntryFee("p-", FeeSource.SITE, Payment.SETTLED, 0)}, None),
        ({"fee": EntryFee("p-", FeeSource.WATCHER, Payment.INSUFFICIENT_FUNDS)}, None),
        ({"fee": EntryFee("p-", FeeSource.SITE, Payment.WRONG_ACCOUNT_TYPE, 100)}, "p-"),
    ],
)
def test_who_is_not_let_in_gets_back_what_may_have_been_taken(more: dict[str, Any], refund: str | None) -> None:
    bad = entry(1, facts=but(GOOD, **BREAKS[R.LEVEL_NOT_ALLOWED]), **more)

    (rejected,) = decide_in_order([bad], POLICY)

    assert (rejected.verdict.state, rejected.fee, rejected.refund) == (VerdictState.REJECTED, 0, refund)
    assert withdraw(bad, POLICY).refund == refund


def test_a_fee_that_is_being_taken_is_given_back_when_the_entry_goes() -> None:
    leaves = entry(1, facts=GOOD, fee=EntryFee("p-", FeeSource.WATCHER), before=WAITING)

    assert withdraw(leaves, POLICY).refund == "p-"


def test_observing_moves_nothing() -> None:
    observe = FeePolicy(observe=True)
    bad = entry(1, facts=but(GOOD, **BREAKS[R.LEVEL_NOT_ALLOWED]), site_prefix="site-1")
    good = entry(2, user=8, facts=GOOD)

    decisions = list(decide_in_order([bad, good], observe))

    assert [one.verdict.state for one in decisions] == [VerdictState.REJECTED, VerdictState.ADMITTED]
    assert [(one.fee, one.collect, one.refund) for one in decisions] == [(0, None, None)] * 2


def test_without_charging_a_fee_that_nobody_took_is_unpaid() -> None:
    (decision,) = decide_in_order([entry(1, facts=GOOD)], FeePolicy(charge=False))

    assert decision.verdict == Verdict(VerdictState.REJECTED, (R.UNPAID,))
    assert decision.refund is None


def test_nothing_is_written_twice() -> None:
    once = entry(1)
    (first,) = decide_in_order([once], POLICY)
    (again,) = decide_in_order([msgspec.structs.replace(once, before=first.verdict)], POLICY)

    assert first.is_new
    assert not again.is_new


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, VerdictState.ADMITTED),
        ({"fee": EntryFee("p-", FeeSource.WATCHER, Payment.SETTLED, 100)}, VerdictState.REJECTED),
        ({"site_prefix": "site-1"}, VerdictState.WAITING),
    ],
)
def test_a_rejected_entry_may_come_in_later_unless_its_fee_went_back(more: dict[str, Any], state: VerdictState) -> None:
    """A key that was refunded stays taken, so a second charge under it would only look like one.

    One that nobody has asked about yet was not refunded.
    """
    facts = GOOD if more else FREE
    rejected = Verdict(VerdictState.REJECTED, (R.LEVEL_NOT_ALLOWED,))

    (decision,) = decide_in_order([entry(1, facts=facts, before=rejected, **more)], POLICY)

    assert decision.verdict.state is state
    assert decision.refund is None


@pytest.mark.parametrize(
    ("fee", "named", "stray"),
    [
        (None, "site-2-", None),
        ("site-1-", None, None),
        ("site-1-", "site-1-", None),
        ("site-1-", "site-2-", "site-2-"),
        ("site-1", "site-1-", None),  # the same legs, written more carefully
        ("site-1-", "site-1", None),
    ],
)
def test_what_is_paid_besides_the_fee_goes_back(fee: str | None, named: str | None, stray: str | None) -> None:
    known = EntryFee(fee, FeeSource.SITE, Payment.SETTLED, 100) if fee else None

    (decision,) = decide_in_order([entry(1, facts=GOOD, fee=known, site_prefix=named, before=ADMITTED)], POLICY)

    assert decision.stray == stray


def test_an_entry_that_nobody_has_made_is_foreseen_as_paid() -> None:
    """With a fee or without; what it breaks is told all at once, and it waits for its scan like any other."""
    bad = but(GOOD, **{**BREAKS[R.LEVEL_NOT_ALLOWED], "crucible.status": "Cancelled"})

    assert [foresee(entry(0, facts=facts)) for facts in (GOOD, FREE)] == [ADMITTED] * 2
    assert foresee(entry(0, facts=bad)).reasons == (R.CRUCIBLE_NOT_ACTIVE, R.LEVEL_NOT_ALLOWED)
    assert foresee(entry(0, facts=but(GOOD, **{"image.ingestion": "Pending"}))).state is VerdictState.WAITING
    assert foresee(entry(0, facts=GOOD, earlier_of_image=1)).reasons == (R.IMAGE_ENTERED_ALREADY,)


UNSCANNED = {"image.ingestion": "Pending", "image.nsfw_level": 0}


@pytest.mark.parametrize("broken", [UNSCANNED, *(BREAKS[one] for one in (R.IMAGE_BLOCKED, R.LEVEL_NOT_ALLOWED))])
def test_of_somebody_elses_image_nothing_else_is_foreseen(broken: dict[str, Any]) -> None:
    """Neither in the reasons nor by an entry that would wait."""
    foreign = EntryCandidate(entry_id=0, crucible_id=42, image_id=5, facts=but(but(GOOD, **broken), user_id=8))

    assert len(next(decide_in_order([foreign], POLICY)).verdict.reasons) == 2
    assert foresee(foreign) == Verdict(VerdictState.REJECTED, (R.NOT_IMAGE_OWNER,))
