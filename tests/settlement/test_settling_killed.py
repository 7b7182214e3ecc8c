"""kill -9 between any two steps of an ending, and what the next process makes of it: once, whatever was begun."""

import json
import os
import signal
from pathlib import Path

import pytest

from stack import Stack
from tests.forked import Forked
from tests.settlement.endings import Endings
from watcher.runtime.failpoint import CANCEL_PLACES, ENDING_PLACES, VARIABLE

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0


class Doomed:
    """Starts processes that die."""

    def __init__(self, parts: Stack, settle_dsn: str, endings: Endings, log: Path) -> None:
        self._buzz, self._dsn, self._endings, self._log = parts.buzz.url, settle_dsn, endings, log

    def die_at(self, place: str) -> None:
        """Settle in a process of its own, until it is killed at a place."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CRUCIBLE_")},
            "SITE_DSN": self._dsn, "SITE_SCHEMA": self._endings.site.schema, "BUZZ_URL": self._buzz,
            "VOTES": json.dumps(self._endings.ballots.votes), VARIABLE: place,
        }  # fmt: skip
        process = Forked(["tests.settlement.settling"], self._log, environ, PROJECT)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGKILL, self._log.read_text()


@pytest.fixture
def doomed(parts: Stack, settle_dsn: str, endings: Endings, tmp_path: Path) -> Doomed:
    """Starts processes that die."""
    return Doomed(parts, settle_dsn, endings, tmp_path / "log")


@pytest.mark.parametrize("place", ENDING_PLACES)
def test_killed_while_settling(endings: Endings, doomed: Doomed, place: str) -> None:
    """Whoever died: each prize is paid once, places match scores, and everybody is told once.

    An image that is hidden after the death keeps its entry's place if the freeze was written, else it has none.
    """
    crucible, late = endings.crucible(), endings.rich()
    users = [endings.rich() for _ in range(4)]
    first, second, third, hidden = endings.enter(crucible, users)
    for winner, loser in [(second, first), (second, third), (first, third), (third, hidden), (first, hidden)]:
        endings.ballots.vote(crucible, winner, loser)
    waits = endings.site.enter(crucible, late)
    endings.site.decide()
    endings.end(crucible)

    doomed.die_at(place)
    if ENDING_PLACES.index(place) >= ENDING_PLACES.index("ending.votes_frozen"):
        endings.ballots.freeze(crucible)  # as Redis has it, which outlives the process
    endings.site.run(
        'UPDATE "Image" SET "needsReview" = \'minor\' WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)',
        hidden,
    )
    competes = ENDING_PLACES.index(place) >= ENDING_PLACES.index("ending.frozen")
    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible)) == ("done", "Completed")
    scores = {entry: rating for entry, rating, _ in endings.ballots.recompute(crucible).ratings}
    assert [row[:3] for row in endings.table(crucible)] == [
        (first, 2, scores[first]), (second, 1, scores[second]), (third, 3, scores[third]),
        (hidden, 4 if competes else None, scores[hidden]), (waits, None, 1500),
    ]  # fmt: skip
    assert [endings.holds(user) for user in (*users, late)] == [1_020, 1_100, 980, 900, 1_000]
    taken, back, paid = endings.moved(crucible)
    assert (taken - back, paid) == (400, 400)
    assert [kind for kind in endings.events(crucible) if kind != "fee.refunded"] == [
        "crucible.frozen", "crucible.settled", *["prize.paid"] * 3
    ]  # fmt: skip
    assert len(endings.notices(users[0])) == 2
    states = endings.site.all("SELECT state FROM SCHEMA.settlement_step WHERE crucible_id = %s ORDER BY id", crucible)
    assert [state for (state,) in states] == ["frozen", "drained", "proven", "ranked", "paying", "announced", "done"]


@pytest.mark.parametrize("place", CANCEL_PLACES)
def test_killed_while_cancelling(endings: Endings, doomed: Doomed, place: str) -> None:
    """Whoever died: each fee goes back once, and everybody is told once."""
    crucible, users = endings.crucible(), [endings.rich(), endings.rich()]
    endings.enter(crucible, users)
    endings.turn()
    endings.site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s", crucible)

    doomed.die_at(place)
    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible)) == ("cancelled", "Cancelled")
    assert endings.moved(crucible) == (200, 200, 0)
    assert [endings.holds(user) for user in users] == [1_000, 1_000]
    assert [kind for kind in endings.events(crucible) if kind != "fee.refunded"] == ["crucible.cancelled"]
    assert [len(endings.notices(user)) for user in users] == [1, 1]
