"""kill -9 between any two steps of a verdict, a charge and a refund, and what the next process makes of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.entries.site import Site
from tests.entries.test_fees import FEE, due_now, holds, legs
from watcher.runtime.failpoint import ENTRY_PLACES, VARIABLE

PROJECT = Path(__file__).resolve().parents[2]
DECIDING = [place for place in ENTRY_PLACES if place.startswith("verdicts.")]
SETTLING = [place for place in ENTRY_PLACES if place.startswith("outbox.")]
PATIENCE_SECONDS = 30.0


@pytest.fixture
def rich(site: Site, service: httpx.Client) -> int:
    """A user who holds 1,000 Buzz."""
    user = site.user()
    service.post("/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": 1_000})
    return user


class Processes:
    """The two roles as processes of their own."""

    def __init__(self, parts: Stack, site: Site) -> None:
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
        command = [sys.executable, "-m", "tests.entries.deciding"]
        return subprocess.run(command, env=self._environ(self._decide, place), cwd=PROJECT, check=False).returncode

    def settle(self, place: str = "") -> "subprocess.Popen[bytes]":
        """Start the settle role, to be killed at a place if one is named."""
        command = [sys.executable, "-m", "watcher", "run", "--role", "settle"]
        return subprocess.Popen(command, env=self._environ(self._settle, place), cwd=PROJECT)

    def _environ(self, own: dict[str, str], place: str) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CRUCIBLE_")}
        return environ | own | ({VARIABLE: place} if place else {})


@pytest.fixture
def processes(parts: Stack, site: Site) -> Processes:
    """Both roles."""
    return Processes(parts, site)


def await_that(condition: Any, what: str) -> None:
    """Return once something holds."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, f"not within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.05)


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

    assert processes.decide(place) == -signal.SIGKILL
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

    assert processes.settle(place).wait(PATIENCE_SECONDS) == -signal.SIGKILL
    with processes.settle() as second:
        try:
            await_that(lambda: all_done(site), "everything carried out")
        finally:
            second.terminate()

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

    assert processes.settle(place).wait(PATIENCE_SECONDS) == -signal.SIGKILL
    with processes.settle() as second:
        try:
            await_that(lambda: all_done(site), "everything carried out")
        finally:
            second.terminate()

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert events(site) == ["entry.admitted", "entry.withdrawn", "fee.refunded"]
    assert legs(service, rich) == (1, 1)
    assert holds(service, rich) == 1_000
