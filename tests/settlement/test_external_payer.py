"""A service that pays by itself: it follows ``crucible.settled``, and pays what stands there, once."""

from typing import Any

from tests.settlement.endings import Endings
from watcher.model.buzz import Paid, Payout


def settled(endings: Endings, crucible: int) -> dict[str, Any]:
    """The body of the event, as the topic has it."""
    ((data,),) = endings.site.all(
        "SELECT data FROM SCHEMA.crucible_event WHERE crucible_id = %s AND type = 'crucible.settled'", crucible
    )
    body: dict[str, Any] = data
    return body


def pay(endings: Endings, body: dict[str, Any]) -> list[Paid]:
    """What another service makes of the event; it may read it more than once."""
    prizes = [
        Payout(one["payoutId"], one["userId"], one["amount"], body["crucibleId"], "Crucible prize")
        for one in body["prizes"]
    ]
    return endings.site.buzz.pay(prizes)


def test_who_follows_the_events_pays_each_prize_once(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)
    endings.go_on(payouts="external")
    body = settled(endings, crucible)

    assert (body["payouts"], body["paid"], body["remainder"]) == ("external", 50, 50)
    assert [pay(endings, body), pay(endings, body)] == [[Paid.NOW], [Paid.BEFORE]]
    assert endings.holds(user) == 950


def test_what_the_watcher_has_paid_is_not_paid_again_by_somebody_else(endings: Endings) -> None:
    """The same prize has the same name, whoever pays it; so both at once do no harm."""
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)
    endings.go_on()
    body = settled(endings, crucible)

    assert body["payouts"] == "watcher"
    assert pay(endings, body) == [Paid.BEFORE]
    assert endings.holds(user) == 950
    assert endings.events(crucible)[-1] == "prize.paid"
