"""Who competes is fixed when votes are closed, however long the result takes, whatever becomes of images meanwhile."""

from typing import Any

from tests.settlement.endings import FUTURE, Endings
from watcher.model.entry_decision import FeePolicy
from watcher.postgres.own import settlement

UNREADABLE = '{"1": 101}'
READABLE = '{"1": 50, "2": 30, "3": 20}'


def parked(endings: Endings, crucible: int, **settings: Any) -> None:
    """Have a crucible's end come, which waits then for somebody who mends its prizes."""
    endings.end(crucible)
    endings.turn(**settings)
    assert endings.state(crucible) == "parked"


def mended(endings: Endings, crucible: int, **settings: Any) -> None:
    """Mend them, and go on to the end."""
    endings.site.run('UPDATE "Crucible" SET "prizePositions" = %s WHERE id = %s', READABLE, crucible)
    with endings.open_session() as session:
        assert settlement.retry(session, crucible, "somebody") is not None
    endings.go_on(**settings)
    assert endings.state(crucible) == "done"


def change_image(endings: Endings, entry: int, columns: str) -> None:
    """Moderators look at an entry's image."""
    endings.site.run(
        f'UPDATE "Image" SET {columns} WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)',  # noqa: S608
        entry,
    )


def places(endings: Endings, crucible: int) -> list[int | None]:
    """Positions by entry."""
    return [position for _, position, *_ in endings.table(crucible)]


def test_images_that_are_hidden_or_shown_after_the_freeze_change_no_place(endings: Endings) -> None:
    """Hidden for later, hidden by then and shown again, blocked without a vote: it is as it was at the freeze."""
    crucible = endings.crucible(prizePositions=UNREADABLE)
    users = [endings.rich() for _ in range(4)]
    winner, second, hidden, blocked = endings.enter(crucible, users)
    endings.ballots.vote(crucible, winner, second)
    endings.ballots.vote(crucible, hidden, second)
    change_image(endings, hidden, "\"needsReview\" = 'minor'")
    parked(endings, crucible)

    change_image(endings, winner, "\"needsReview\" = 'minor'")
    change_image(endings, hidden, '"needsReview" = NULL')
    change_image(endings, blocked, "ingestion = 'Blocked', \"blockedFor\" = 'tos'")
    endings.site.decide(voted=[winner, second])
    endings.pay()
    mended(endings, crucible)

    assert places(endings, crucible) == [1, 3, None, 2]
    assert [endings.site.verdict(entry) for entry in (winner, blocked)] == [("admitted", [], 100)] * 2
    assert [endings.holds(user) for user in users] == [1_100, 980, 900, 1_020]
    assert endings.shown(crucible, "pool", "paid", "placed", "competitors") == (400, 400, 3, None)


def test_who_comes_or_is_scanned_after_the_freeze_does_not_take_part_and_pays_nothing(endings: Endings) -> None:
    """Also if the crucible's end is moved to later then, so that by its row it would still take entries."""
    crucible = endings.crucible(prizePositions=UNREADABLE)
    users = [endings.rich() for _ in range(3)]
    (stays,) = endings.enter(crucible, users[:1])
    unscanned = endings.site.enter(crucible, users[1], endings.site.image(users[1], 0, "Pending"))
    endings.site.decide()
    parked(endings, crucible)

    endings.end(crucible, FUTURE)
    change_image(endings, unscanned, "ingestion = 'Scanned', \"nsfwLevel\" = 1")
    late = endings.site.enter(crucible, users[2])
    for _ in range(2):
        endings.site.decide()
        endings.pay()
    mended(endings, crucible)

    out = ("rejected", ["crucible_not_active"], 0)
    assert [endings.site.verdict(entry) for entry in (unscanned, late)] == [out, out]
    assert [row[:2] for row in endings.table(crucible)] == [(stays, 1), (unscanned, None), (late, None)]
    assert [endings.holds(user) for user in users] == [950, 1_000, 1_000]
    assert endings.moved(crucible) == (100, 0, 50)


def test_a_place_that_becomes_free_after_the_freeze_is_nobody_s(endings: Endings) -> None:
    crucible = endings.crucible(prizePositions=UNREADABLE, maxTotalEntries=1)
    users = [endings.rich() for _ in range(2)]
    first, full = endings.enter(crucible, users)
    assert endings.site.verdict(full) == ("rejected", ["total_limit"], 0)
    parked(endings, crucible)

    endings.site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', first)
    for _ in range(2):
        endings.site.decide()
        endings.pay()
    mended(endings, crucible)

    assert endings.site.verdict(full) == ("rejected", ["total_limit"], 0)
    assert places(endings, crucible) == [None]
    assert [endings.holds(user) for user in users] == [1_000, 1_000]


def test_where_verdicts_keep_nobody_out_who_comes_after_the_freeze_has_no_place(endings: Endings) -> None:
    crucible = endings.crucible(prizePositions=UNREADABLE)
    endings.site.enter(crucible)
    undecided = endings.site.enter(crucible)
    parked(endings, crucible, observe=True)
    change_image(endings, undecided, "\"needsReview\" = 'minor'")
    endings.site.enter(crucible)
    endings.site.decide(FeePolicy(observe=True))

    mended(endings, crucible, observe=True)

    assert places(endings, crucible) == [1, 2, None]


def test_a_crucible_that_an_older_version_has_frozen_gets_its_result(endings: Endings) -> None:
    """It has not written who competes: that is fixed when the result is written."""
    crucible = endings.crucible(prizePositions=UNREADABLE)
    shown, hidden = endings.enter(crucible, [None, None])
    parked(endings, crucible)
    endings.site.run("UPDATE SCHEMA.settlement SET competitors = NULL")
    change_image(endings, hidden, "\"needsReview\" = 'minor'")

    mended(endings, crucible)

    assert endings.table(crucible) == [(shown, 1, 1500, 0), (hidden, None, 1500, 0)]


def test_a_cancel_forgets_who_competes(endings: Endings) -> None:
    crucible, user = endings.crucible(prizePositions=UNREADABLE), endings.rich()
    endings.enter(crucible, [user])
    parked(endings, crucible)
    assert len(endings.shown(crucible, "competitors")) == 1
    endings.site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s", crucible)
    with endings.open_session() as session:
        settlement.retry(session, crucible, "somebody")

    endings.go_on()

    assert (endings.state(crucible), endings.shown(crucible, "competitors")) == ("cancelled", None)
    assert endings.holds(user) == 1_000
