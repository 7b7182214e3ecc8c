"""PostgreSQL dies in mid-transaction: what was under way did not happen, and the next turn makes it happen once."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.entries.conftest import opened_site
from tests.entries.site import Site
from tests.entries.test_fees import FEE, due_now, holds, legs
from tests.stack.watching import started
from watcher.entries import decider
from watcher.model.errors import TemporaryError
from watcher.outbox import dispatcher
from watcher.runtime.failpoint import ENTRY_PLACES


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    """A PostgreSQL of this module's own, for it is killed, and the double of the Buzz service."""
    with started("buzz", "postgres") as stack:
        site_database.prepare(str(stack.endpoints.postgres_dsn))
        yield stack


class Death:
    """Kills the server once, where somebody passes a place."""

    def __init__(self, stack: Stack, place: str) -> None:
        self._stack, self._place, self.came = stack, place, False

    def reach(self, place: str) -> None:
        """Called at every place."""
        if place == self._place and not self.came:
            self.came = True
            self._stack.postgres.kill()


def until_nothing_is_left(site: Site) -> None:
    """Decide and settle, as the roles' workers do: a turn that fails is made again."""
    for _ in range(4):
        site.decide()
        due_now(site)
        site.settle()


@pytest.mark.parametrize("place", ["verdicts.decided", "verdicts.written", "verdicts.committing", *ENTRY_PLACES[3:]])
def test_a_fee_is_taken_once(mortal: Stack, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Wherever it dies, also between the money's move and its being written down."""
    death = Death(mortal, place)
    with httpx.Client(base_url=mortal.buzz.url, timeout=10) as service, opened_site(mortal) as site:
        user = site.user()
        service.post("/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": 1_000})
        entry = site.enter(site.crucible(entryFee=FEE), user)
        for module in (decider, dispatcher):
            monkeypatch.setattr(module, "reach", death.reach)
        with pytest.raises(TemporaryError):
            until_nothing_is_left(site)
        mortal.postgres.start()
        mortal.postgres.await_ready()
        with closing(psycopg.connect(str(mortal.endpoints.postgres_dsn), autocommit=True)) as site.admin:
            until_nothing_is_left(site)

            assert site.verdict(entry) == ("admitted", [], FEE)
            assert site.all("SELECT kind, state FROM SCHEMA.outbox") == [("collect", "done")]
            assert site.one("SELECT count(*)::int FROM SCHEMA.entry_decision") == 2
            assert legs(service, user) == (1, 0)
            assert holds(service, user) == 1_000 - FEE
            site.run('DELETE FROM "Crucible"')
