"""What the port promises, of the site's service and of the ledger alike."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tests.buzz.conftest import Books
from watcher.buzz.port import BuzzRefusedError, InsufficientFundsError
from watcher.model.buzz import BANK, Charge, Paid, Payout, Refund, entry_prefix

_crucibles = count(500)


def fee(user: int, amount: int = 100, crucible: int | None = None, entry: int = 1) -> Charge:
    """A fee for an entry of a crucible that no other test has."""
    crucible = crucible or next(_crucibles)
    return Charge(user, amount, entry_prefix(crucible, entry), crucible, "Crucible entry fee")


def prize(charge: Charge, user: int, amount: int, number: int = 1) -> Payout:
    """A prize of the crucible that a fee was paid to."""
    return Payout(f"crucible-prize-{charge.crucible_id}-{number}", user, amount, charge.crucible_id, "Crucible prize")


def test_a_fee_is_taken_once(books: Books, user: int) -> None:
    charge, bank = fee(user), books.holds(BANK)

    first = books.buzz.charge(charge)
    repeats = [books.buzz.charge(charge, again=again) for again in (False, True, True)]

    assert sum(leg.amount for leg in first) == 100
    assert repeats == [first] * 3
    assert books.buzz.collected(charge.prefix) == first
    assert (books.holds(user), books.holds(BANK)) == (900, bank + 100)
    assert books.buzz.balance(user) == 900


def test_many_at_once_are_one(books: Books, user: int) -> None:
    charge = fee(user)

    with ThreadPoolExecutor(8) as threads:
        legs = list(threads.map(lambda _: books.buzz.charge(charge), range(8)))

    assert all(one == legs[0] for one in legs)
    assert books.holds(user) == 900


def test_who_holds_too_little_pays_nothing(books: Books, user: int) -> None:
    charge = fee(user, 1_001)

    with pytest.raises(InsufficientFundsError, match="holds less than 1001 Buzz"):
        books.buzz.charge(charge)

    assert books.holds(user) == 1_000
    assert books.buzz.collected(charge.prefix) == []


def test_users_who_were_never_heard_of_hold_nothing(books: Books) -> None:
    assert books.buzz.balance(999_999) == 0
    with pytest.raises(InsufficientFundsError):
        books.buzz.charge(fee(999_999, 1))


def test_a_prefix_that_stands_for_another_amount_is_refused(books: Books, user: int) -> None:
    """The same key with other content is no repeat: somebody has to look."""
    charge = fee(user)
    books.buzz.charge(charge)

    with pytest.raises(BuzzRefusedError):
        books.buzz.charge(fee(user, 200, charge.crucible_id), again=True)

    assert books.holds(user) == 900


def test_a_refund_goes_back_once(books: Books, user: int) -> None:
    charge = fee(user)
    books.buzz.charge(charge)

    assert books.buzz.refund(charge.prefix, "refund") == Refund(100)
    assert books.buzz.refund(charge.prefix, "refund") == Refund(0, before=True)
    assert books.holds(user) == 1_000


def test_what_was_never_taken_is_not_given_back(books: Books, user: int) -> None:
    assert books.buzz.refund(fee(user).prefix, "refund") == Refund(0, before=True)
    assert books.holds(user) == 1_000


def test_a_refunded_prefix_stays_taken(books: Books, user: int) -> None:
    """Charging it again moves nothing, and looks paid: so nobody may ever do it."""
    charge = fee(user)
    books.buzz.charge(charge)
    books.buzz.refund(charge.prefix, "refund")

    books.buzz.charge(charge)

    assert books.holds(user) == 1_000


def test_entry_5_is_not_entry_50(books: Books, user: int) -> None:
    five = fee(user, 10, entry=5)
    fifty = fee(user, 20, five.crucible_id, entry=50)
    books.buzz.charge(five)
    books.buzz.charge(fifty)

    assert [leg.amount for leg in books.buzz.collected(five.prefix)] == [10]
    assert books.buzz.refund(five.prefix, "refund") == Refund(10)
    assert books.holds(user) == 980


def test_a_prefix_without_a_delimiter_matches_its_own_alone(books: Books, user: int) -> None:
    """As sites make them: with a time at the end."""
    five = fee(user, 10, entry=5)
    books.buzz.charge(five)
    books.buzz.charge(fee(user, 20, five.crucible_id, entry=50))
    bare = five.prefix.removesuffix("-")

    assert [leg.amount for leg in books.buzz.collected(bare)] == [10]
    assert books.buzz.refund(bare, "refund") == Refund(10)
    assert books.holds(user) == 980


def test_prizes_are_paid_once(books: Books, user: int) -> None:
    charge = fee(user, 1_000)
    books.buzz.charge(charge)
    prizes = [prize(charge, 2_000_001, 600, 1), prize(charge, 2_000_002, 300, 2)]
    before = [books.holds(2_000_001), books.holds(2_000_002)]

    assert books.buzz.pay(prizes) == [Paid.NOW, Paid.NOW]
    assert books.buzz.pay(prizes) == [Paid.BEFORE, Paid.BEFORE]
    assert books.buzz.pay([*prizes, prize(charge, 2_000_003, 50, 3)], again=True) == [
        Paid.BEFORE,
        Paid.BEFORE,
        Paid.NOW,
    ]
    assert [books.holds(2_000_001), books.holds(2_000_002)] == [before[0] + 600, before[1] + 300]


def test_a_payout_id_that_stands_for_something_else_is_refused(books: Books, user: int) -> None:
    charge = fee(user, 1_000)
    books.buzz.charge(charge)
    books.buzz.pay([prize(charge, 2_000_001, 600)])

    with pytest.raises(BuzzRefusedError):
        books.buzz.pay([prize(charge, 2_000_002, 700)], again=True)
