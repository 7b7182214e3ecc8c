"""kill -9 between any two steps of a verdict, a charge and a refund, and what the next process makes of it."""

import os
import signal
from pathlib import Path

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.awaiting import await_that
from tests.entries.site import Site
from tests.entries.test_fees import FEE, due_now, holds, legs
from tests.forked import Forked
from watcher.runtime.failpoint import ENTRY_PLACES, VARIABLE

PROJECT = Path(__file__).resolve().parents[2]
DECIDING = [place for place in ENTRY_PLACES if place.startswith("verdicts.")]
SETTLING = [place for place in ENTRY_PLACES if place.startswith("outbox.")]
PATIENCE_SECONDS = 60.0
KILLED = 128 + signal.SIGKILL


@pytest.fixture
def rich(site: Site, service: httpx.Client) -> int:
    """A user who holds 1,000 Buzz."""
    user = site.user()
    service.post("/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": 1_000})
    return user


class Processes:
    """The two roles as processes of their own."""

    def __init__(self, parts: Stack, site: Site, log: Path) -> None:
        self._log = log
        admin = str(parts.endpoints.postgres_dsn)
        site.admin.execute(site_database.debezium.SETTLE.read_bytes())
        password = psycopg.sql.Literal(site_database.PASSWORD)
        site.admin.execute(psycopg.sql.SQL("ALTER ROLE crucible_settle PASSWORD {}").format(password))
        self._decide = {
            "SITE_DSN": site_database.as_role(admin, site_database.WATCHER_ROLE), "SITE_SCHEMA": site.schema,
        }  # fmt: skip
        self._settle = {
            "CRUCIBLE_SETTLE__DSN": site_database.as_role(admin, "crucible_settle"),
            "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": site.schema,
            "CRUCIBLE_BUZZ__URL": parts.buzz.url,
            "CRUCIBLE_OPS__HOST": "127.0.0.1",
            "CRUCIBLE_OPS__PORT": "0",
        }

    def decide(self, place: str = "") -> int:
        """Decide once, killed at a place if one is named; returns the exit code."""
        return self._start(self._decide, place, "tests.entries.deciding").wait(PATIENCE_SECONDS)

    def killed_settling(self, place: str) -> int:
        """Have the settle role killed at a place; returns the exit code."""
        settling = self._start(self._settle, place, "watcher", "run", "--role", "settle")
        try:
            return settling.wait(PATIENCE_SECONDS)
        finally:
            settling.send(signal.SIGKILL)

    def settle_all(self, site: Site) -> None:
        """Have the settle role carry out what the outbox holds, and end."""
        settling = self._start(self._settle, "", "watcher", "run", "--role", "settle")
        try:
            await_that(lambda: all_done(site), "everything carried out", told=self._log.read_text)
        finally:
            settling.send(signal.SIGTERM)
            settling.wait(PATIENCE_SECONDS)

    def _start(self, own: dict[str, str], place: str, *module: str) -> Forked:
        return Forked(module, self._log, self._environ(own, place), PROJECT)

    def _environ(self, own: dict[str, str], place: str) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CRUCIBLE_")}
        return environ | own | ({VARIABLE: place} if place else {})


@pytest.fixture
def processes(parts: Stack, site: Site, tmp_path: Path) -> Processes:
    """Both roles."""
    return Processes(parts, site, tmp_path / "log")


def all_done(site: Site) -> bool:
    """Whether nothing of the outbox is left, whatever its next attempt would have been."""
    due_now(site)
    return bool(site.one("SELECT count(*) = 0 FROM SCHEMA.outbox WHERE state <> 'done'"))


def events(site: Site) -> list[str]:
    """What other services were told."""
    return [kind for (kind,) in site.all("SELECT type FROM SCHEMA.crucible_event ORDER BY number")]


@pytest.mark.parametrize("place", DECIDING)
def test_killed_while_deciding(site: Site, processes: Processes, place: str) -> None:
    """Nothing of it is there, or all of it: the verdicts, the fees that are asked for, and the log."""
    crucible = site.crucible(entryFee=FEE, entryLimit=2)
    entries = [site.enter(crucible) for _ in range(3)]

    assert processes.decide(place) == KILLED
    assert [site.verdict(one) for one in entries] == [None] * 3
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox") == 0
    assert site.one("SELECT count(*)::int FROM SCHEMA.crucible_event") == 0
    assert processes.decide() == 0

    assert [site.verdict(one) for one in entries] == [("waiting", ["fee_pending"], 0)] * 3
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox") == 3
    assert site.one("SELECT count(*)::int FROM SCHEMA.entry_decision") == 3


@pytest.mark.parametrize("place", SETTLING)
def test_killed_while_charging(site: Site, rich: int, service: httpx.Client, processes: Processes, place: str) -> None:
    """The user pays once, and is in."""
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()

    assert processes.killed_settling(place) == KILLED
    processes.settle_all(site)

    assert site.verdict(entry) == ("admitted", [], FEE)
    assert events(site) == ["entry.admitted"]
    assert legs(service, rich) == (1, 0)
    assert holds(service, rich) == 1_000 - FEE


@pytest.mark.parametrize("place", SETTLING)
def test_killed_while_refunding(site: Site, rich: int, service: httpx.Client, processes: Processes, place: str) -> None:
    """The user gets it back once."""
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    site.settle()
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    site.decide()

    assert processes.killed_settling(place) == KILLED
    processes.settle_all(site)

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert events(site) == ["entry.admitted", "entry.withdrawn", "fee.refunded"]
    assert legs(service, rich) == (1, 1)
    assert holds(service, rich) == 1_000
