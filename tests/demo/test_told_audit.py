"""The audit of what users and other services were told finds what is missing, doubled or wrong. No parts needed."""

from collections import Counter
from typing import Any

import pytest

from demo.entries.buzz_books import BANK, BooksRead, Movement
from demo.told.heard import Event, HeardNotice
from demo.told.told_audit import Due, endings, entries, money, notices, once, results

PLACE = HeardNotice("crucible-ended:7:1", "crucible-ended", 1, {"crucibleId": 7, "position": 2})
PRIZE = HeardNotice(
    "crucible-reward-earned:7:11", "crucible-reward-earned", 1, {"crucibleId": 7, "amount": 50, "position": 2}
)
STRANGER = HeardNotice("crucible-ended:7:2", "crucible-ended", 2, {"position": 1})
CREATOR = HeardNotice("crucible-ended:7", "crucible-ended", 9, {"crucibleId": 7})
DUE = {PLACE.key: Due(1, 2), PRIZE.key: Due(1, 50), CREATOR.key: Due(9)}


def event(kind: str, number: int = 1, **body: Any) -> Event:
    """An event of crucible 7."""
    return Event(f"id-{number}", kind, f"2026-01-01T00:00:{number:02}Z", {"crucibleId": 7, **body})


def said(findings: list[Any]) -> list[str]:
    """Kind and place of what was found."""
    return [f"{one.kind.value} {one.where}" for one in findings]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([PLACE, PRIZE, CREATOR], []),
        ([PLACE, PRIZE], ["lost notices"]),
        ([PLACE, PRIZE, CREATOR, PRIZE], ["twice notices"]),
        (
            [PLACE, PRIZE, CREATOR, HeardNotice("crucible-ended:7:2", "crucible-ended", 2, {"position": 1})],
            ["twice notices"],
        ),
        ([PLACE, HeardNotice(PRIZE.key, PRIZE.type, 1, {"amount": 49}), CREATOR], ["wrong notices"]),
        ([PLACE, HeardNotice(PRIZE.key, PRIZE.type, 2, {"amount": 50}), CREATOR], ["wrong notices"]),
    ],
)
def test_notices_are_told_once_to_whom_they_are_due(told: list[HeardNotice], found: list[str]) -> None:
    assert said(notices(DUE, {}, told)) == found


@pytest.mark.parametrize(("amount", "found"), [(30, []), (20, ["wrong refunds that were told"])])
def test_what_came_back_is_told_to_the_last_buzz(amount: int, found: list[str]) -> None:
    creator = HeardNotice(
        "crucible-ended:8", "crucible-ended", 9, {"crucibleId": 8, "cancelled": True, "setupRefunded": 70}
    )
    entrant = HeardNotice(
        "crucible-ended:8:1", "crucible-ended", 1, {"crucibleId": 8, "cancelled": True, "refunded": amount}
    )

    assert said(notices({creator.key: Due(9)}, {8: 100}, [creator, entrant])) == found


def test_an_event_comes_once() -> None:
    assert said(once([event("prize.paid"), event("prize.paid")])) == ["twice events"]
    assert once([event("prize.paid", 1), event("prize.paid", 2)]) == []


def test_the_last_event_of_an_entry_is_its_verdict() -> None:
    told = [event("entry.admitted", 2, entryId=5, fee=10), event("entry.rejected", 1, entryId=5)]

    assert entries({5: ("admitted", 10)}, told) == []
    assert said(entries({5: ("rejected", 0)}, told)) == ["lost events of entries"]
    assert said(entries({5: ("admitted", 11)}, told)) == ["lost events of entries"]
    assert said(entries({6: ("rejected", 0)}, told)) == ["lost events of entries"]


def test_each_ending_is_told_once() -> None:
    told = [event("crucible.settled")]

    assert endings({7: "settled", 8: "due"}, told) == []
    assert said(endings({7: "settled", 8: "cancelled"}, told)) == ["lost events of endings"]
    assert said(endings({7: "cancelled"}, told)) == ["lost events of endings", "twice events of endings"]


def test_standings_and_prizes_are_those_of_the_tables() -> None:
    place = {"entryId": 5, "position": 1, "score": 1516}
    told = [event("crucible.settled", standings=[place], prizes=[{"entryId": 5, "userId": 1, "amount": 50}])]
    positions, promised = Counter({(7, 5, 1, 1516): 1}), Counter({(7, 5, 1, 50): 1})

    assert results(positions, promised, told) == []
    assert said(results(Counter({(7, 5, 2, 1516): 1}), promised, told)) == [
        "lost standings that were told",
        "twice standings that were told",
    ]
    assert said(results(positions, Counter(), told)) == ["twice prizes that were told"]
    assert results(Counter(), promised, told, {7}) == []


def test_every_buzz_that_is_told_of_has_moved() -> None:
    fee = Movement("a", "site-7-User", 1, "User", BANK, "User", 10)
    others = Movement("b", "other-8-User", 1, "User", BANK, "User", 10)
    books = BooksRead(
        moved=(
            fee, others,
            Movement("c", None, BANK, "User", 1, "User", 10, "a"),
            Movement("d", None, BANK, "User", 1, "User", 10, "b"),
            Movement("e", "crucible-prize-7-5", BANK, "User", 1, "User", 50),
        )
    )  # fmt: skip
    paid = event("prize.paid", payoutId="crucible-prize-7-5", amount=50)
    back = event("fee.refunded", prefix="site-7-", amount=10)

    assert money(books, {"site-7"}, [paid, back]) == []
    assert said(money(books, {"site-7"}, [paid])) == ["lost refunds that were told of"]
    assert said(money(books, {"site-7"}, [back])) == ["lost payments that were told"]
    assert said(money(books, {"site-7"}, [paid, paid, back])) == ["twice payments that were told"]
