"""Crucibles that are cancelled or deleted: every fee goes back once, and the row's lock decides a race, once."""

from contextlib import suppress
from threading import Barrier, Thread

import pytest

from tests.entries.test_fees import charged_by_the_site
from tests.settlement.endings import PAST, Endings
from tests.stack.faults import arm
from watcher.model.settlement import OutcomeKind, SettlementState
from watcher.postgres.own import outbox
from watcher.settlement import cancelling

CANCEL = "UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s"


def test_a_cancel_gives_back_every_fee_and_that_for_setting_up(endings: Endings) -> None:
    creator = endings.rich()
    charged_by_the_site(endings.service, creator, f"crucible-setup-{creator}-1700000000000", 500)
    crucible = endings.crucible(userId=creator, buzzTransactionId=f"crucible-setup-{creator}-1700000000000")
    users = [endings.rich(), endings.rich()]
    one, other, _ = endings.enter(crucible, [*users, users[0]])
    endings.ballots.vote(crucible, one, other)
    endings.turn()
    endings.site.run(CANCEL, crucible)

    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible)) == ("cancelled", "Cancelled")
    assert [endings.holds(user) for user in (creator, *users)] == [1_000, 1_000, 1_000]
    assert endings.moved(crucible) == (300, 300, 0)
    assert endings.shown(crucible, "refunded", "entries") == (800, 3)
    (outcome,) = endings.outcomes
    assert outcome.kind is OutcomeKind.CANCELLED
    assert sorted((back.user_id, back.amount) for back in outcome.refunds if back.entry_id) == sorted(
        [(users[0], 100), (users[0], 100), (users[1], 100)]
    )
    assert [(back.user_id, back.amount) for back in outcome.refunds if back.entry_id is None] == [(creator, 500)]
    assert [row[1] for row in endings.table(crucible)] == [None, None, None]
    assert endings.notices(users[0]) == ['"Autumn light" was cancelled; 200 Buzz came back to you']
    assert [kind for kind in endings.events(crucible) if kind != "fee.refunded"] == ["crucible.cancelled"]


@pytest.mark.parametrize("state", ["frozen", "proven"])
def test_a_cancel_before_the_result_wins(endings: Endings, state: str) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.ballots.slow[crucible] = 1 if state == "frozen" else 0
    if state == "proven":
        endings.site.enter(crucible, endings.rich(), createdAt="2025-12-31")
        endings.site.decide()
    endings.end(crucible)
    endings.turn(fee_patience=600.0)
    assert endings.state(crucible) == state
    endings.site.run(CANCEL, crucible)

    endings.go_on()

    assert (endings.state(crucible), endings.holds(user)) == ("cancelled", 1_000)
    assert endings.moved(crucible)[2] == 0


def test_a_cancelled_crucible_without_an_entry(endings: Endings) -> None:
    crucible = endings.crucible()
    endings.turn()
    endings.site.run(CANCEL, crucible)

    endings.go_on()

    assert endings.state(crucible) == "cancelled"
    assert endings.shown(crucible, "refunded") == 0


@pytest.mark.parametrize(
    ("created", "refunded"),
    [("now() AT TIME ZONE 'UTC'", True), ("'2025-01-01'", False)],
    ids=["since somebody settles", "control: before"],
)
def test_a_fee_for_setting_up_what_nobody_saw_goes_back(endings: Endings, created: str, refunded: bool) -> None:
    """Made and cancelled between two looks, without an entry."""
    creator = endings.rich()
    charged_by_the_site(endings.service, creator, f"setup-{creator}-", 500)
    endings.turn()
    crucible = endings.crucible(userId=creator, buzzTransactionId=f"setup-{creator}-", status="Cancelled")
    free = endings.crucible(status="Cancelled")
    endings.site.run(f'UPDATE "Crucible" SET "createdAt" = {created} WHERE id = %s', crucible)  # noqa: S608 - of the list

    endings.go_on()

    assert endings.holds(creator) == (1_000 if refunded else 500)
    assert endings.state(crucible) == ("cancelled" if refunded else None)
    assert endings.state(free) is None


@pytest.mark.parametrize("way", ['DELETE FROM "Crucible"', 'TRUNCATE "Crucible" CASCADE'], ids=["deleted", "emptied"])
@pytest.mark.parametrize(
    ("status", "created", "refunded"),
    [
        ("Active", "now() AT TIME ZONE 'UTC'", True),
        ("Cancelled", "now() AT TIME ZONE 'UTC'", True),
        ("Completed", "now() AT TIME ZONE 'UTC'", False),
        ("Active", "'2025-01-01'", False),
    ],
    ids=["active", "cancelled", "control: over", "control: before somebody settles"],
)
def test_a_fee_for_setting_up_what_went_unseen_goes_back(
    endings: Endings, way: str, status: str, created: str, refunded: bool
) -> None:
    """Made and taken away between two looks, without an entry: once, however often somebody looks."""
    creator = endings.rich()
    charged_by_the_site(endings.service, creator, f"setup-{creator}-", 500)
    endings.turn()
    crucible = endings.crucible(userId=creator, buzzTransactionId=f"setup-{creator}-", status=status)
    endings.site.run(f'UPDATE "Crucible" SET "createdAt" = {created} WHERE id = %s', crucible)  # noqa: S608 - of the list
    endings.site.run(way)

    endings.go_on()
    endings.go_on()

    assert endings.holds(creator) == (1_000 if refunded else 500)
    assert endings.state(crucible) == ("cancelled" if refunded else None)


def test_without_the_triggers_a_fee_for_setting_up_stays_where_it_is(endings: Endings) -> None:
    """The control."""
    creator = endings.rich()
    charged_by_the_site(endings.service, creator, f"setup-{creator}-", 500)
    endings.turn()
    endings.site.run('ALTER TABLE "Crucible" DISABLE TRIGGER crucible_deleted')
    try:
        endings.crucible(userId=creator, buzzTransactionId=f"setup-{creator}-")
        endings.site.run('DELETE FROM "Crucible"')
    finally:
        endings.site.run('ALTER TABLE "Crucible" ENABLE TRIGGER crucible_deleted')
    endings.go_on()

    assert endings.holds(creator) == 500


def test_a_cancel_that_came_while_nobody_looked(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.site.run(CANCEL, crucible)

    endings.go_on()

    assert (endings.state(crucible), endings.holds(user)) == ("cancelled", 1_000)


@pytest.mark.parametrize("when", ["before its end", "after the freeze"])
def test_a_deleted_crucible_gives_everything_back(endings: Endings, when: str) -> None:
    creator, user = endings.rich(), endings.rich()
    charged_by_the_site(endings.service, creator, f"setup-{creator}-", 500)
    crucible = endings.crucible(userId=creator, buzzTransactionId=f"setup-{creator}-")
    endings.enter(crucible, [user])
    if when == "after the freeze":
        endings.ballots.slow[crucible] = 1
        endings.end(crucible)
    endings.turn()
    endings.site.run('DELETE FROM "Crucible" WHERE id = %s', crucible)

    endings.go_on()

    assert endings.state(crucible) == "cancelled"
    assert [endings.holds(one) for one in (creator, user)] == [1_000, 1_000]
    assert endings.shown(crucible, "refunded") == 600


def test_who_had_been_rejected_before_is_not_told_of_a_refund_again(endings: Endings) -> None:
    crucible, user, other = endings.crucible(entryLimit=1), endings.rich(), endings.rich()
    charged_by_the_site(endings.service, user, f"site-{user}-")
    endings.enter(crucible, [other])
    image = endings.site.image(user, 1, "Blocked")
    endings.site.enter(crucible, user, image, buzzTransactionId=f"site-{user}-")
    endings.site.decide()
    endings.pay()
    assert endings.holds(user) == 1_000
    endings.site.run(CANCEL, crucible)

    endings.go_on()

    assert [back.user_id for back in endings.outcomes[0].refunds] == [other]


def test_a_refund_that_is_parked_holds_back_the_word_and_no_other_refund(endings: Endings) -> None:
    crucible = endings.crucible()
    users = [endings.rich(), endings.rich()]
    endings.enter(crucible, users)
    endings.site.run(CANCEL, crucible)
    endings.turn()
    last = "UPDATE SCHEMA.outbox SET attempts = 39 WHERE kind = 'refund' AND payload ->> 'user' = %s"
    endings.site.run(last, str(users[0]))
    arm(endings.service, {"kind": "503", "path": "/multi-transactions/refund"})

    endings.pay()
    endings.now()
    endings.turn()

    assert [endings.holds(user) for user in users] == [900, 1_000]
    assert (endings.state(crucible), endings.outcomes) == ("refunding", [])
    with endings.open_session() as session:
        assert len(outbox.redrive(session, row_id=None, channel="buzz")) == 1
    endings.go_on()
    assert endings.state(crucible) == "cancelled"
    assert [endings.holds(user) for user in users] == [1_000, 1_000]


@pytest.mark.parametrize("who", ["the site", "an operator"])
def test_a_cancel_that_races_the_end_is_decided_once(endings: Endings, who: str) -> None:
    """Both at once, again and again: either prizes or refunds, and never both."""
    for _ in range(4):
        crucible, user = endings.crucible(), endings.rich()
        endings.enter(crucible, [user])
        endings.end(crucible)
        together = Barrier(2)

        def cancel(crucible: int = crucible, together: Barrier = together) -> None:
            together.wait()
            if who == "the site":
                with endings.open_session() as session:
                    session.run(
                        "UPDATE public.\"Crucible\" SET status = 'Cancelled' WHERE id = %s AND status = 'Active'",
                        crucible,
                    )
            else:
                with endings.open_session() as session, suppress(cancelling.TooLateError):  # then the end was first
                    cancelling.cancel(session, crucible, "somebody")

        racing = Thread(target=cancel)
        racing.start()
        together.wait()
        endings.turn()
        racing.join()
        endings.go_on()

        taken, back, paid = endings.moved(crucible)
        found = (endings.state(crucible), endings.status(crucible), taken, back, paid)
        assert found in {("done", "Completed", 100, 0, 50), ("cancelled", "Cancelled", 100, 100, 0)}


def test_an_operator_s_cancel_is_the_site_s_too(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.turn()

    with endings.open_session() as session:
        assert cancelling.cancel(session, crucible, "somebody") is SettlementState.REFUNDING
    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible), endings.holds(user)) == ("cancelled", "Cancelled", 1_000)


def test_a_parked_crucible_can_be_cancelled(endings: Endings) -> None:
    crucible, user = endings.crucible(prizePositions='{"1": 101}'), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)
    endings.turn()
    assert endings.state(crucible) == "parked"

    with endings.open_session() as session:
        cancelling.cancel(session, crucible, "somebody")
    endings.go_on()

    assert (endings.state(crucible), endings.holds(user)) == ("cancelled", 1_000)


def test_what_has_a_result_is_not_cancelled(endings: Endings) -> None:
    crucible = endings.crucible(endAt=PAST)
    endings.turn()

    with endings.open_session() as session, pytest.raises(cancelling.TooLateError, match="has a result"):
        cancelling.cancel(session, crucible, "somebody")
    with endings.open_session() as session, pytest.raises(cancelling.TooLateError, match="no ending"):
        cancelling.cancel(session, 2_000_000, "somebody")
    assert endings.status(crucible) == "Completed"
