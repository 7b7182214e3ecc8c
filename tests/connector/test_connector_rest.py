"""Kafka Connect's REST API as it behaves on a bad day, played by a scripted wire."""

import itertools
import json

import httpx
import pytest

from watcher.admin.connector.apply import ConnectorFailedError, apply_plan, await_running
from watcher.admin.connector.file import ConnectorFile
from watcher.admin.connector.plan import EXACTLY_ONCE, plan_connector, resend_guards
from watcher.admin.connector.rest import Connect, ConnectRefusedError
from watcher.admin.connector.running import (
    ConnectorRestsError,
    NoConnectorError,
    pause_connector,
    restart_connector,
    resume_connector,
)
from watcher.admin.doctor import connect as connect_checks
from watcher.admin.doctor.findings import Level
from watcher.model.errors import TemporaryError

FILE = ConnectorFile("n", {"connector.class": "X", "database.password": "sesame"})


def connect(*answers, patience=5.0):
    """A worker that gives these answers in turn, the last for ever; and what it was asked."""
    asked = []
    script = itertools.chain(answers, itertools.repeat(answers[-1]))

    def answer(request):
        asked.append((request.method, request.url.path, json.loads(request.content or "null")))
        status, body = next(script)
        if status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, json=body)

    worker = Connect("http://c", patience, transport=httpx.MockTransport(answer), pause=lambda _: None)
    return worker, asked


def status(*states, trace=None):
    """A status answer: the connector's state, then its tasks'."""
    first, *tasks = states
    return 200, {
        "name": "n",
        "connector": {"state": first, "worker_id": "w"},
        "tasks": [{"id": n, "state": s, "worker_id": "w", "trace": trace} for n, s in enumerate(tasks)],
        "type": "source",
    }


def test_a_rebalancing_worker_is_asked_again():
    """409 means not now; the second answer counts."""
    worker, asked = connect((409, {"message": "rebalance"}), (409, {"message": "rebalance"}), (201, {}))

    worker.put("n", FILE.config)

    assert [method for method, _, _ in asked] == ["PUT"] * 3


def test_a_worker_that_never_stops_rebalancing_is_worth_another_try_later():
    """Patience ends; exit 75 follows from this error."""
    worker, _ = connect((409, {"message": "still at it"}), patience=0.1)

    with pytest.raises(TemporaryError, match=r"still busy after 0\.1 s: still at it"):
        worker.put("n", FILE.config)


def test_a_refusal_is_told_without_the_secrets_that_it_quotes():
    """Kafka Connect puts values into its messages."""
    worker, _ = connect((400, {"message": "sesame is no good password"}))

    with pytest.raises(ConnectRefusedError, match="answered 400") as caught:
        worker.put("n", FILE.config)

    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("body", [(200, ["not", "a", "status"]), (200, {"hello": "world"})])
def test_something_else_at_the_address_is_told_apart(body):
    """A wrong connect.url is a setting to mend, not an outage."""
    worker, _ = connect(body)

    with pytest.raises(ConnectRefusedError, match=r"\(connect\.url\) does not answer as Kafka Connect does"):
        worker.status("n")


def test_a_missing_connector_has_no_configuration_status_or_end():
    """404 is an answer."""
    worker, _ = connect((404, {"message": "not found"}))

    assert (worker.config("n"), worker.status("n"), worker.delete("n"), worker.stop("n")) == (None, None, False, False)


def test_a_null_in_a_configuration_is_no_setting():
    """Made by another tool, it is kept by the worker and answered as it is."""
    worker, _ = connect((200, {"name": "n", "connector.class": "X", "table.include.list": None}))

    assert worker.config("n") == {"name": "n", "connector.class": "X"}


def clock(step=0.5):
    """Time that passes with each look at it."""
    return itertools.count(0, step).__next__


def waited(worker, **given):
    """await_running in a time of its own."""
    return await_running(worker, FILE, **{"timeout": 30.0, "pause": lambda _: None, "clock": clock(), **given})


def test_a_task_runs_when_it_goes_on_running():
    """The status of the tasks before a change, and a task about to fail, are RUNNING too: one look is not enough."""
    worker, asked = connect(
        status("RUNNING", "RUNNING"),
        status("RUNNING", "UNASSIGNED"),
        status("RUNNING", "RUNNING"),
    )
    result = waited(worker)

    assert result.runs
    assert len(asked) > 4


def test_with_one_look_the_task_before_would_have_been_believed():
    """The control of the test above: without settling, the very first look ends the wait."""
    worker, asked = connect(status("RUNNING", "RUNNING"), status("RUNNING", "FAILED", trace="a.BError: x"))

    waited(worker, settled=0.0)

    assert len(asked) == 1


def test_a_failed_task_ends_the_wait_with_its_reason():
    """Not with a timeout."""
    worker, _ = connect(status("RUNNING", "FAILED", trace="a.BException: no slot for sesame\n\tat x.Y"))

    with pytest.raises(ConnectorFailedError, match=r"a\.BException: no slot for \*\*\*"):
        waited(worker)


def test_tasks_that_never_come_are_worth_another_look():
    """A worker may need long; the connector stays."""
    worker, _ = connect(status("RUNNING"))

    with pytest.raises(TemporaryError, match="no tasks yet"):
        waited(worker, timeout=5.0)


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
@pytest.mark.parametrize("poll", ["10", "20"], ids=["as the file says", "another setting"])
def test_a_connector_at_rest_is_resumed(state, poll):
    """A new configuration does not wake it, and without one there is nothing else to do about it."""
    file = ConnectorFile("n", {"connector.class": "X", "poll.interval.ms": "10"})
    valid = 200, {"configs": []}
    worker, _ = connect(valid, (200, {**file.config, "poll.interval.ms": poll}), status(state), valid)
    plan = plan_connector(worker, file, allow_unknown=True)
    changes = [] if poll == "10" else [(201, {})]
    seen = [] if changes else [status(state)]
    worker, asked = connect(*changes, *seen, (202, None), status("RUNNING", "RUNNING"))

    result = apply_plan(worker, file, plan, timeout=10.0)

    assert (plan.at_rest, plan.does_nothing, bool(plan.changes)) == (state, False, poll == "20")
    assert result.runs
    told = [(method, path) for method, path, _ in asked if method == "PUT"]
    assert told == [*([("PUT", "/connectors/n/config")] if changes else []), ("PUT", "/connectors/n/resume")]


@pytest.mark.parametrize(("errors", "told"), [([], "source: on"), (["the worker has it switched off"], "source: OFF")])
def test_a_worker_that_refuses_what_requires_exactly_once_is_told_apart(errors, told):
    """It is asked about a connector that requires it, whatever the file hopes for."""
    setting = {"definition": {"name": EXACTLY_ONCE}, "value": {"name": EXACTLY_ONCE, "errors": errors}}
    worker, asked = connect((200, {"configs": [setting]}))

    guards = resend_guards(worker, FILE)

    assert asked[0][2][EXACTLY_ONCE] == "required"
    assert guards.worker == (not errors)
    assert told in next(iter(guards.lines()))


def test_a_pause_waits_for_tasks_that_still_read_and_not_for_those_that_have_failed():
    """A failed task stays failed when its connector is paused; a running one goes on for a moment."""
    running, going = status("RUNNING", "RUNNING", "FAILED"), status("PAUSED", "RUNNING", "FAILED")
    worker, asked = connect(running, (202, None), going, going, status("PAUSED", "PAUSED", "FAILED"))

    outcome = pause_connector(worker, "n", timeout=30.0)

    assert [method for method, _, _ in asked] == ["GET", "PUT", "GET", "GET", "GET"]
    assert str(outcome) == (
        "connector n was RUNNING (task 0 RUNNING, task 1 FAILED), and is PAUSED (task 0 PAUSED, task 1 FAILED)"
    )


def test_tasks_that_never_rest_are_worth_another_look():
    """What was asked, what is, and the next command."""
    worker, _ = connect(status("RUNNING", "RUNNING"), (202, None), status("PAUSED", "RUNNING"))

    with pytest.raises(TemporaryError, match=r"pause n: after 0 s it is PAUSED \(task 0 RUNNING\).*connector status"):
        pause_connector(worker, "n", timeout=0.0)


@pytest.mark.parametrize(
    ("verb", "states"),
    [
        (pause_connector, ("PAUSED", "PAUSED")),
        (resume_connector, ("RUNNING",) * 2),
        (restart_connector, ("RUNNING",) * 2),
    ],
)
def test_what_is_so_already_is_not_asked_for(verb, states):
    """The second time nothing is done, and that is said."""
    worker, asked = connect(status(*states))

    outcome = verb(worker, "n", timeout=30.0)

    assert [method for method, _, _ in asked] == ["GET"]
    assert (outcome.did, "nothing was done" in str(outcome)) == (False, True)


@pytest.mark.parametrize("verb", [pause_connector, resume_connector, restart_connector])
def test_a_connector_that_is_not_there_is_named_with_those_that_are(verb):
    """A wrong name is seen at once."""
    worker, _ = connect((404, {"message": "No status found"}), (200, ["other", "crucible"]))

    with pytest.raises(NoConnectorError, match=r"n: Kafka Connect at http://c .* it has crucible, other\. Say --name"):
        verb(worker, "n", timeout=30.0)


def test_a_name_is_one_part_of_the_address():
    """Whatever a person types: a connector of that name is asked for, and no other one is touched."""
    asked = []

    def answer(request):
        asked.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"message": "not found"})

    worker = Connect("http://c", 5.0, transport=httpx.MockTransport(answer), pause=lambda _: None)
    name = "x/../crucible?a b"
    answers = [getattr(worker, verb)(name) for verb in ("config", "status", "stop", "pause", "restart", "delete")]

    assert answers == [None, None, False, False, False, False]
    assert {one.split("?")[0].split("/")[2] for one in asked} == {"x%2F..%2Fcrucible%3Fa%20b"}


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_a_restart_does_not_wake_what_somebody_has_put_to_rest(state):
    """Connect would say yes, and nothing would run."""
    worker, asked = connect(status(state))

    with pytest.raises(ConnectorRestsError, match=f"restart n: it is {state}.*connector resume"):
        restart_connector(worker, "n", timeout=30.0)

    assert [method for method, _, _ in asked] == ["GET"]


def test_a_connector_that_runs_is_not_resumed():
    """The control of the test above."""
    valid = 200, {"configs": []}
    worker, _ = connect(valid, (200, FILE.config), status("RUNNING", "RUNNING"), valid)
    plan = plan_connector(worker, FILE, allow_unknown=True)
    worker, asked = connect(status("RUNNING", "RUNNING"))

    apply_plan(worker, FILE, plan, timeout=10.0)

    assert plan.does_nothing
    assert {method for method, _, _ in asked} == {"GET"}


@pytest.mark.parametrize(
    ("states", "advice"),
    [
        (("PAUSED", "PAUSED"), "connector resume"),
        (("STOPPED",), "connector resume"),
        (("RUNNING",), "connector status"),
    ],
)
def test_the_doctor_names_what_wakes_a_connector_at_rest(states, advice):
    """Looking again, which helps with everything else, does not."""
    worker, _ = connect(status(*states))

    (found,) = connect_checks.tasks(worker, FILE)

    assert (found.level, f"crucible {advice}" in found.advice) == (Level.FAIL, True)


@pytest.mark.parametrize(
    ("plugins", "level", "said"),
    [
        ([{"class": "X", "type": "source", "version": "3.7.0.Final"}], Level.OK, "Debezium 3.7.0.Final"),
        ([{"class": "X", "type": "source", "version": "3.10.0.Alpha1"}], Level.OK, "3.10"),
        ([{"class": "Y", "version": "3.7.0.Final"}, {"class": "X", "version": "3.6.1.Final"}], Level.WARN, "pass over"),
        ([{"class": "X", "type": "source"}], Level.WARN, "pass over"),
        ([{"class": "Y", "type": "source", "version": "3.7.0.Final"}], Level.FAIL, "no X"),
    ],
)
def test_a_debezium_that_loses_its_place_is_told(plugins, level, said):
    """Before 3.7, what it passes over when it is started again is missing without an error anywhere."""
    worker, _ = connect((200, plugins))

    (found,) = connect_checks.plugin(worker, FILE)

    assert (found.level, said in found.found) == (level, True)


def stored(lsn):
    """An answer about offsets: of PostgreSQL's connector, as Kafka Connect 4 gives it."""
    return 200, {"offsets": [{"partition": {"server": "crucible"}, "offset": {"lsn": lsn, "txId": 7}}]}


@pytest.mark.parametrize(
    ("answer", "end", "level"),
    [
        (stored(4096), 4096, Level.OK),
        (stored(4097), 4096, Level.FAIL),
        ((200, {"offsets": []}), 4096, None),
        ((200, {"offsets": [{"partition": {}, "offset": None}]}), 4096, None),
        ((404, {"message": "no such connector"}), 4096, None),
        (stored(4096), TemporaryError("postgres is away"), None),
    ],
)
def test_a_place_beyond_the_end_of_the_log_is_one_of_a_database_that_was_set_back(answer, end, level):
    """The connector passes over every change until the log has grown beyond it; who has no place says nothing."""

    def end_of_log():
        if isinstance(end, Exception):
            raise end
        return end

    worker, _ = connect(answer)
    found = list(connect_checks.position(worker, FILE, end_of_log))

    assert [one.level for one in found] == ([] if level is None else [level])
    if level is Level.FAIL:
        assert found[0].found == "stored at LSN 0/1001, PostgreSQL's log ends at 0/1000"
        assert "then `crucible history accept`, then `crucible reconcile --fix`" in found[0].advice


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ((4096, 4096), [("connect.position", Level.OK), ("connect.events_position", Level.OK)]),
        ((4096, 4097), [("connect.position", Level.OK), ("connect.events_position", Level.FAIL)]),
        ((None, 4097), [("connect.events_position", Level.FAIL)]),
        ((4097, None), [("connect.position", Level.FAIL)]),
        ((None, None), []),
    ],
)
def test_the_place_of_the_connector_of_events_is_looked_at_as_well(places, found):
    """It has a slot and a place of its own, and goes another way after a database that was set back."""
    worker, asked = connect(*((404, {}) if place is None else stored(place) for place in places))
    told = list(connect_checks.position(worker, FILE, lambda: 4096, ConnectorFile("e", {})))

    assert [(one.name, one.level) for one in told] == found
    assert [path for _, path, _ in asked] == ["/connectors/n/offsets", "/connectors/e/offsets"]
    for one in told:
        of_events = one.level is Level.FAIL and one.name == "connect.events_position"
        assert ("-f debezium/events.json" in one.advice) is of_events
