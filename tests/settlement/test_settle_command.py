"""``crucible settle``: what an operator sees of endings, and does about them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.command import Done
from tests.settlement.endings import PAST, Endings

Crucible = Callable[..., Done]


@pytest.fixture
def settle(command: Crucible) -> Crucible:
    """Runs ``crucible settle``."""

    def run(*arguments: object, without: str = "") -> Done:
        return command("settle", *arguments, without=without)

    return run


def answer(done: Done) -> Any:
    """The answer, as a program reads it."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_parked_comes_first_and_says_what_to_do(endings: Endings, settle: Crucible) -> None:
    done, parked = endings.crucible(), endings.crucible(prizePositions='{"1": 101}')
    user = endings.rich()
    endings.enter(done, [user])
    endings.end(done)
    endings.end(parked)
    endings.go_on()

    told = settle("list")
    assert told.returncode == 0
    assert told.stdout.splitlines()[1].split()[:2] == [str(parked), "parked"]
    assert "crucible settle show" in told.stderr
    assert [one["crucible_id"] for one in answer(settle("list", "--state", "done", "--json"))] == [done]

    shown = answer(settle("show", done, "--json"))
    assert [step["state"] for step in shown["steps"]][-1] == "done"
    assert [(prize["user_id"], prize["amount"], prize["payment"]) for prize in shown["prizes"]] == [(user, 50, "done")]
    assert shown["settlement"]["remainder"] == 50
    assert f"crucible settle retry {parked}" in settle("show", parked).stderr
    for told_nothing in (("show",), ("run",), ("proof",), ("cancel", "--dry-run"), ("cancel",)):
        nowhere = settle(told_nothing[0], 2_000_000, *told_nothing[1:])
        assert (nowhere.returncode, "has no ending" in nowhere.stderr) == (1, True), nowhere.stderr


def test_a_retry_and_a_cancel(endings: Endings, settle: Crucible) -> None:
    parked = endings.crucible(prizePositions='{"1": 101}', endAt=PAST)
    user = endings.rich()
    endings.turn()

    assert answer(settle("retry", parked, "--json")) == {"crucible": parked, "state": "frozen"}
    again = settle("retry", parked)
    assert (again.returncode, "is not parked" in again.stderr) == (1, True)

    other = endings.crucible()
    endings.enter(other, [user])
    assert answer(settle("cancel", other, "--dry-run", "--json"))["fees"] == 100
    assert endings.status(other) == "Active"
    assert answer(settle("cancel", other, "--yes", "--json"))["state"] == "refunding"
    endings.go_on()
    assert (endings.state(other), endings.holds(user)) == ("cancelled", 1_000)
    assert "is cancelled, so it has no result" in settle("proof", other).stderr
    asked_once_more = settle("cancel", other, "--dry-run")
    assert (asked_once_more.returncode, "it is cancelled, or has a result" in asked_once_more.stderr) == (1, True)
    refused = settle("cancel", other, "--yes")
    assert (refused.returncode, "it is cancelled, or has a result" in refused.stderr) == (1, True), refused.stderr


def test_a_run_waits_for_who_is_away_and_decides_nothing(endings: Endings, settle: Crucible) -> None:
    crucible_id = endings.crucible(endAt=PAST)

    done = settle("run", crucible_id, "--json")

    assert answer(done) == {"crucible": crucible_id, "taken": True, "state": "frozen"}
    assert "waits." in done.stderr
    assert endings.status(crucible_id) == "Active"
    assert settle("proof", crucible_id).returncode == 75


def test_who_settles_has_to_be_said(endings: Endings, settle: Crucible) -> None:
    refused = settle("run", endings.crucible(), without="CRUCIBLE_SETTLE__DSN")

    assert refused.returncode == 78
    assert "settle.dsn (CRUCIBLE_SETTLE__DSN): not set" in refused.stderr
