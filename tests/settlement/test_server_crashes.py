"""PostgreSQL dies while a crucible ends or is cancelled: what was under way did not happen, and happens once later."""

from collections.abc import Iterator
from functools import partial

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.entries.conftest import opened_site
from tests.entries.test_server_crashes import Death, mortal
from tests.settlement.endings import Endings
from watcher.model.errors import TemporaryError
from watcher.outbox import dispatcher
from watcher.postgres.session import open_session
from watcher.settlement import refunds, result, steps

__all__ = ["mortal"]

ENDING = {
    "ending.freezing": ("due", "Active"),
    "result.locked": ("proven", "Active"),
    "result.ranked": ("proven", "Active"),
    "result.announced": ("proven", "Active"),
    "result.committing": ("proven", "Active"),
    "result.committed": ("ranked", "Completed"),
    "outbox.finishing": ("paying", "Completed"),
}
"""Within each transaction of an ending, and what is found of it afterwards."""
CANCEL = ("refunds.committing", "refunds.finishing", "outbox.finishing")


@pytest.fixture(scope="module")
def settle_dsn(mortal: Stack) -> str:
    """Connection string of the role that settles."""
    admin_dsn = str(mortal.endpoints.postgres_dsn)
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        password = psycopg.sql.Literal(site_database.PASSWORD)
        admin.execute(psycopg.sql.SQL("ALTER ROLE crucible_settle PASSWORD {}").format(password))
    return site_database.as_role(admin_dsn, "crucible_settle")


@pytest.fixture
def endings(mortal: Stack, settle_dsn: str) -> Iterator[Endings]:
    """A site whose crucibles end, on a server that dies."""
    with httpx.Client(base_url=mortal.buzz.url, timeout=10) as service, opened_site(mortal) as site:
        yield Endings(site, partial(open_session, settle_dsn, site.schema), service)
        site.run('DELETE FROM "Crucible"')
        site.admin.close()  # of the server that was started last


def dies(mortal: Stack, endings: Endings, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Settle and pay until the server is killed at a place, and start it again."""
    death = Death(mortal, place)
    for module in (steps, result, refunds, dispatcher):
        monkeypatch.setattr(module, "reach", death.reach)
    with pytest.raises(TemporaryError):
        endings.go_on()
    assert death.came
    mortal.postgres.start()
    mortal.postgres.await_ready()
    endings.site.admin = psycopg.connect(str(mortal.endpoints.postgres_dsn), autocommit=True)


@pytest.mark.parametrize("place", ENDING)
def test_each_prize_is_paid_once(mortal: Stack, endings: Endings, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    crucible, users = endings.crucible(), [endings.rich(), endings.rich()]
    loser, winner = endings.enter(crucible, users)
    endings.ballots.vote(crucible, winner, loser)
    endings.end(crucible)

    dies(mortal, endings, monkeypatch, place)
    assert (endings.state(crucible), endings.status(crucible)) == ENDING[place]
    assert (endings.table(crucible)[0][1] is None) is (ENDING[place][1] == "Active")
    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible)) == ("done", "Completed")
    assert [row[:2] for row in endings.table(crucible)] == [(loser, 2), (winner, 1)]
    assert [endings.holds(user) for user in users] == [960, 1_000]
    assert endings.moved(crucible) == (200, 0, 160)
    assert endings.events(crucible) == ["crucible.frozen", "crucible.settled", *["prize.paid"] * 2]
    assert [len(endings.notices(user)) for user in users] == [2, 2]


@pytest.mark.parametrize("place", CANCEL)
def test_each_fee_goes_back_once(mortal: Stack, endings: Endings, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    crucible, users = endings.crucible(), [endings.rich(), endings.rich()]
    endings.enter(crucible, users)
    endings.turn()
    endings.site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s", crucible)

    dies(mortal, endings, monkeypatch, place)
    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible)) == ("cancelled", "Cancelled")
    assert endings.moved(crucible) == (200, 200, 0)
    assert endings.shown(crucible, "refunded") == 200
    assert [endings.holds(user) for user in users] == [1_000, 1_000]
    assert [kind for kind in endings.events(crucible) if kind != "fee.refunded"] == ["crucible.cancelled"]
    assert [len(endings.notices(user)) for user in users] == [1, 1]
