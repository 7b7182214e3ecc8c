"""From how a crucible has ended to what users were told: the outbox, the settle role, opt-outs, ``kill -9``."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.awaiting import await_that
from tests.entries.site import carry_out
from tests.notify.conftest import OpenSession, everything
from tests.notify.samples import crucibles, page
from watcher.admin.doctor.notifications import notifications
from watcher.admin.doctor.postgres.settling import opt_outs
from watcher.model.notices import notice_pages
from watcher.model.outbox import OutboxRow, OutboxStep
from watcher.model.settlement import CrucibleOutcome, FinalStandings, OutcomeKind
from watcher.notify.executor import NoticeExecutor
from watcher.notify.http import HttpNotifier
from watcher.notify.outbox_rows import notice_rows
from watcher.outbox.dispatcher import Dispatcher
from watcher.postgres.own import outbox
from watcher.runtime.failpoint import ENTRY_PLACES, VARIABLE
from watcher.runtime.http_client import HttpClient, RequestNotSentError

PROJECT = Path(__file__).resolve().parents[2]
SETTLING = [place for place in ENTRY_PLACES if place.startswith("outbox.")]
PATIENCE_SECONDS = 30.0


class Heard:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str | None]] = []

    def dispatched(self, row: OutboxRow, step: OutboxStep) -> None:
        self.steps.append((step.state.value, step.error))

    def away(self, error: Exception) -> None:
        raise error


@pytest.fixture
def site(parts: Stack) -> Iterator[psycopg.Connection[Any]]:
    """The site's administrator."""
    with psycopg.connect(str(parts.endpoints.postgres_dsn), autocommit=True) as connection:
        yield connection
        connection.execute('DELETE FROM "UserNotificationSettings"')


def ended(*users: int) -> CrucibleOutcome:
    """A crucible of user 1's that has ended; the first of the users has won."""
    ids = type(FinalStandings().entry_ids)
    return CrucibleOutcome(
        crucible_id=next(crucibles), name="Dawn", creator_id=1, kind=OutcomeKind.ENDED, entries=len(users), pool=100,
        paid=50, standings=FinalStandings(
            ids("l", [100 + user for user in users]), ids("l", users), ids("l", [1500] * len(users)), {1: 50}
        ),
    )  # fmt: skip


def announce(settle: OpenSession, outcome: CrucibleOutcome) -> None:
    """Write the notices, as the transaction of a result does."""
    with settle() as session, session.together():
        outbox.put(session, notice_rows(notice_pages(outcome)))


def told(service: httpx.Client, outcome: CrucibleOutcome) -> list[tuple[str, int]]:
    """Who was told of a crucible: type and user."""
    return sorted(
        (one["type"], one["user"])
        for one in everything(service)["delivered"]
        if one["details"].get("crucibleId") == outcome.crucible_id
    )


def carried_out(settle: OpenSession, client: HttpClient) -> Heard:
    """Carry out what is due."""
    heard = Heard()
    executor = NoticeExecutor(HttpNotifier(client), settle)
    dispatcher = Dispatcher(settle, executor, heard, "test", spread=lambda: 0.0)
    carry_out(dispatcher)
    return heard


def test_everybody_is_told_of_their_crucible(settle: OpenSession, client: HttpClient, service: httpx.Client) -> None:
    outcome = ended(2, 3)
    announce(settle, outcome)
    announce(settle, outcome)  # a step that is done again writes nothing more

    heard = carried_out(settle, client)

    assert heard.steps == [("done", None)] * 3
    assert told(service, outcome) == [
        ("crucible-ended", 1), ("crucible-ended", 2), ("crucible-ended", 3), ("crucible-reward-earned", 2),
    ]  # fmt: skip


def test_who_has_switched_a_type_off_is_not_told(
    settle: OpenSession, client: HttpClient, service: httpx.Client, site: psycopg.Connection[Any]
) -> None:
    """Of that type alone. The bulk route leaves nobody out, so it is looked up in the site's table."""
    outcome = ended(2, 3)
    site.execute("""INSERT INTO "UserNotificationSettings" ("userId", type) VALUES (2, 'crucible-ended')""")
    announce(settle, outcome)

    carried_out(settle, client)

    assert told(service, outcome) == [("crucible-ended", 1), ("crucible-ended", 3), ("crucible-reward-earned", 2)]
    with settle() as session:
        results = session.read("SELECT result FROM {schema}.outbox WHERE key LIKE %s", "%:place:0")
    assert results == [({"told": 1, "before": 0, "off": 1},)]


def test_nobody_is_told_who_could_not_be_asked(
    settle: OpenSession, client: HttpClient, service: httpx.Client, site: psycopg.Connection[Any]
) -> None:
    """Without the right to see who wants no notices they wait, and the doctor names it; with it they go out."""
    outcome = ended(2)
    announce(settle, outcome)
    site.execute('REVOKE SELECT ("userId", type) ON "UserNotificationSettings" FROM crucible_settle')
    try:
        heard = carried_out(settle, client)
        with settle() as session:
            (found,) = opt_outs(session)
    finally:
        site.execute(site_database.debezium.SETTLE.read_bytes())

    assert {state for state, _ in heard.steps} == {"pending"}
    assert "debezium/postgres/settle.sql" in str(heard.steps[0][1])
    assert found.level.value == "fail"
    assert told(service, outcome) == []
    with settle() as session:
        session.run("UPDATE {schema}.outbox SET next_at = now()")
        assert [one.level.value for one in opt_outs(session)] == ["ok"]
    carried_out(settle, client)
    assert len(told(service, outcome)) == 3


def test_the_doctor_shows_the_token(parts: Stack, client: HttpClient, service: httpx.Client) -> None:
    wrong = HttpClient("the notification service", "notify.url", parts.notifications.url, 1.0, bearer="wrong")

    assert [one.level.value for one in notifications(HttpNotifier(client))] == ["ok"]
    with pytest.raises(RequestNotSentError, match=r"notify\.token"):
        list(notifications(HttpNotifier(wrong)))


def role(settle_dsn: str, schema: str, parts: Stack, **environ: str) -> "subprocess.Popen[bytes]":
    """The settle role as a process of its own."""
    own = {
        "CRUCIBLE_SETTLE__DSN": settle_dsn,
        "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": schema,
        "CRUCIBLE_BUZZ__BOOKS": "ledger",
        "CRUCIBLE_NOTIFY__URL": parts.notifications.url,
        "CRUCIBLE_NOTIFY__TOKEN": parts.notifications.token,
        "CRUCIBLE_OPS__HOST": "127.0.0.1",
        "CRUCIBLE_OPS__PORT": "0",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRUCIBLE_")}
    command = [sys.executable, "-m", "watcher", "run", "--role", "settle"]
    return subprocess.Popen(command, env=clean | own | environ, cwd=PROJECT)


@pytest.mark.parametrize("place", SETTLING)
def test_killed_while_telling(
    settle_dsn: str, schema: str, settle: OpenSession, parts: Stack, service: httpx.Client, place: str
) -> None:
    """The next process goes on: everybody is told, once."""
    outcome = ended(2, 3)
    announce(settle, outcome)

    assert role(settle_dsn, schema, parts, **{VARIABLE: place}).wait(PATIENCE_SECONDS) == -signal.SIGKILL
    with role(settle_dsn, schema, parts) as second:
        try:
            await_that(lambda: _all_done(settle), "every notice told", PATIENCE_SECONDS)
        finally:
            second.terminate()

    assert Counter(told(service, outcome)) == Counter(
        {("crucible-ended", 1): 1, ("crucible-ended", 2): 1, ("crucible-ended", 3): 1, ("crucible-reward-earned", 2): 1}
    )


def test_a_service_without_a_token_is_refused_before_anything_begins(settle_dsn: str, schema: str) -> None:
    environ = {"CRUCIBLE_NOTIFY__URL": "http://localhost:1", "CRUCIBLE_SETTLE__DSN": settle_dsn}
    command = [sys.executable, "-m", "watcher", "run", "--role", "settle"]
    own = {**environ, "CRUCIBLE_BUZZ__BOOKS": "ledger", "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=own, cwd=PROJECT, check=False, capture_output=True, text=True)

    assert done.returncode == 78
    assert "notify.token (CRUCIBLE_NOTIFY__TOKEN): not set" in done.stderr


def test_without_the_key_a_repeat_would_be_told_twice(client: HttpClient, service: httpx.Client) -> None:
    """The negative control: keys with an attempt in them are as many notices as attempts."""
    once = [one for number in (1, 2) for one in page(9, crucible=7 + number).notices()]
    HttpNotifier(client).tell(once)

    keys = {one.key for one in once}
    assert sum(one["key"] in keys for one in everything(service)["delivered"]) == 2


def _all_done(settle: OpenSession) -> bool:
    """Whether every notice is told, whatever its next attempt would have been."""
    with settle() as session:
        session.run(
            "UPDATE {schema}.outbox SET next_at = now(), claimed_until = now() - interval '1 s' WHERE state <> 'done'"
        )
        return session.read("SELECT bool_and(state = 'done') FROM {schema}.outbox") == [(True,)]
