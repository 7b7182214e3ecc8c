"""What becomes of fees and of entries that are not decided when a crucible ends."""

from tests.settlement.endings import Endings


def test_the_end_waits_for_a_fee_that_is_being_taken(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    entry = endings.site.enter(crucible, user)
    endings.site.decide()
    endings.end(crucible)
    endings.site.run('UPDATE "CrucibleEntry" SET "createdAt" = %s WHERE id = %s', "2025-12-31", entry)

    endings.turn(fee_patience=600.0)
    assert (endings.state(crucible), endings.site.verdict(entry)) == ("proven", ("waiting", ["fee_pending"], 0))
    endings.go_on(fee_patience=600.0)

    assert endings.table(crucible) == [(entry, 1, 1500, 0)]
    assert endings.moved(crucible) == (100, 0, 50)


def test_a_fee_that_never_comes_does_not_hold_up_the_end_and_goes_back(endings: Endings) -> None:
    """What is taken after all, because the request was on its way, is given back."""
    crucible, user = endings.crucible(), endings.rich()
    entry = endings.site.enter(crucible, user)
    endings.site.decide()
    endings.end(crucible)

    endings.turn(fee_patience=0.0)

    assert (endings.state(crucible), endings.status(crucible)) == ("paying", "Completed")
    assert endings.site.verdict(entry) == ("rejected", ["crucible_not_active", "ended"], 0)
    endings.go_on()
    assert endings.state(crucible) == "done"
    assert endings.table(crucible)[0][1] is None
    assert endings.holds(user) == 1_000


def test_entries_that_wait_for_a_scan_or_came_too_late_are_let_go(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    waits = endings.site.enter(crucible, user, endings.site.image(user, 0, "Pending"))
    endings.site.decide()
    endings.end(crucible)
    late = endings.site.enter(crucible)

    endings.go_on()

    assert endings.site.verdict(waits)[0] == endings.site.verdict(late)[0] == "rejected"
    assert [row[1] for row in endings.table(crucible)] == [None, None]
    assert endings.holds(user) == 1_000


def test_a_deleted_entry_gets_its_fee_back_before_the_end_and_none_after(endings: Endings) -> None:
    crucible = endings.crucible()
    users = [endings.rich() for _ in range(3)]
    before, after, stays = endings.enter(crucible, users)
    endings.site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', before)
    endings.end(crucible)
    endings.turn()
    endings.site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', after)
    endings.site.decide()

    endings.go_on()

    assert [row[:2] for row in endings.table(crucible)] == [(stays, 2)]
    assert [endings.holds(user) for user in users] == [1_000, 900 + 100, 900 + 60]
    assert endings.moved(crucible) == (300, 100, 160)


def test_an_entry_that_was_moved_at_the_last_moment_is_decided_by_the_rules_there(endings: Endings) -> None:
    """That it was let in elsewhere, for nothing, gives it no place in the result of a crucible that has a fee."""
    free, crucible, user = endings.crucible(entryFee=0), endings.crucible(), endings.site.user()
    moved = endings.site.enter(free, user)
    endings.site.decide()
    endings.end(crucible)
    endings.site.run('UPDATE "CrucibleEntry" SET "crucibleId" = %s, "createdAt" = %s WHERE id = %s',
                     crucible, "2025-12-31", moved)  # fmt: skip

    endings.go_on()

    assert endings.site.verdict(moved)[0] == "rejected"
    assert [row[:2] for row in endings.table(crucible)] == [(moved, None)]
