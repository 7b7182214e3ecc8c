"""When a crucible ends: by the end that it has at the moment of the freeze."""

import pytest

from tests.settlement.endings import FUTURE, PAST, Endings
from watcher.postgres.own import settlement


def test_ends_that_move_move_the_due_time(endings: Endings) -> None:
    crucible = endings.crucible()
    endings.turn()
    later = endings.shown(crucible, "due_at")
    endings.end(crucible, "2126-02-02")
    endings.turn()
    assert endings.shown(crucible, "due_at") > later

    for never in ("infinity", None):
        endings.site.run('UPDATE "Crucible" SET "endAt" = %s WHERE id = %s', never, crucible)
        endings.turn()
        assert (endings.state(crucible), endings.shown(crucible, "due_at")) == ("due", None)

    endings.end(crucible, "-infinity")
    endings.go_on()
    assert endings.state(crucible) == "done"


def test_an_end_that_is_undone_just_before_the_freeze_is_none(endings: Endings) -> None:
    crucible = endings.crucible(endAt=PAST)
    with endings.open_session() as session:
        settlement.note_crucibles(session)
        one = settlement.claim(session, "one")
        assert one is not None
        endings.end(crucible, FUTURE)

        endings.watch()._steps.step(session, one)

    assert endings.state(crucible) == "due"
    assert not endings.ballots.frozen


def test_an_end_that_is_undone_after_the_freeze_stays(endings: Endings) -> None:
    crucible = endings.crucible()
    endings.enter(crucible, [None])
    endings.ballots.slow[crucible] = 1
    endings.end(crucible)
    endings.turn()
    assert endings.state(crucible) == "frozen"
    endings.end(crucible, FUTURE)

    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible)) == ("done", "Completed")


@pytest.mark.parametrize("status", ["Pending", "Completed", "Cancelled"])
def test_crucibles_that_were_over_or_not_begun_when_we_came_are_left_alone(endings: Endings, status: str) -> None:
    crucible = endings.crucible(status=status, endAt=PAST)

    endings.go_on()

    assert endings.state(crucible) is None
    assert endings.status(crucible) == status
