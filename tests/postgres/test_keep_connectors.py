"""Failed tasks are started once more: by one process, after growing waits, and never what a person has put to rest."""

from functools import partial

import httpx
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from watcher.admin.connector.keep_running import KeepRunning
from watcher.admin.connector.rest import Connect
from watcher.model.errors import TemporaryError
from watcher.model.restarts import FIRST_WAIT_SECONDS, MAX_RESTARTS, restart_due_in
from watcher.postgres.own import connector
from watcher.postgres.session import open_session
from watcher.telemetry.metrics import Metrics


class Worker:
    """Kafka Connect with one connector, whose states a test sets."""

    def __init__(self) -> None:
        self.connector, self.tasks, self.away = "RUNNING", ["RUNNING"], False
        self.restarts = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        if not request.url.path.startswith("/connectors/crucible/"):
            return httpx.Response(404, json={"message": "No status found"})
        if request.method == "POST":
            self.restarts += request.url.query == b"includeTasks=true&onlyFailed=true"
            return httpx.Response(202, json={})
        if request.url.path.endswith("/config"):
            return httpx.Response(200, json={"connector.class": "X", "database.password": "sesame"})
        tasks = [{"id": n, "state": state, "trace": "a.BError: sesame"} for n, state in enumerate(self.tasks)]
        return httpx.Response(200, json={"name": "crucible", "connector": {"state": self.connector}, "tasks": tasks})


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def keeper(worker, dsn, schema, session):
    """Makes processes that look after the same connectors."""

    def make(owner):
        connect = Connect("http://c", 5.0, transport=httpx.MockTransport(worker), pause=lambda _: None)
        metrics = Metrics(CollectorRegistry())
        names = ("crucible", "crucible-events")
        return KeepRunning(connect, names, partial(open_session, dsn, schema), metrics.connector, owner), metrics

    return make


@pytest.fixture
def pass_time(session):
    """Lets so many seconds go by for what is noted."""

    def passed(seconds):
        session.run(
            "UPDATE {schema}.connector SET failed_since = failed_since - make_interval(secs => %(s)s), "
            "owned_until = owned_until - make_interval(secs => %(s)s), "
            "restarts = ARRAY(SELECT one - make_interval(secs => %(s)s) FROM unnest(restarts) AS one)",
            {"s": seconds},
        )

    return passed


def shown(metrics, name, **labels):
    return metrics.registry.get_sample_value(f"crucible_connector_{name}", {"connector": "crucible", **labels})


def test_a_failed_task_is_started_again_after_growing_waits_until_it_is_given_up(worker, keeper, pass_time):
    """Six times an hour at most; then alert and log say so, until the hour is over or it runs."""
    task, metrics = keeper("a:1")
    worker.tasks = ["RUNNING", "FAILED"]
    waits = []
    with capture_logs() as logs:
        for _ in range(MAX_RESTARTS):
            before = worker.restarts
            waits.append(task.turn())
            assert worker.restarts == before
            pass_time(FIRST_WAIT_SECONDS * 2 ** len(waits) / 2 + 0.5)
            task.turn()
            assert worker.restarts == before + 1
        assert shown(metrics, "given_up") == 0
        pass_time(600)
        task.turn()
        given_up, failed = shown(metrics, "given_up"), shown(metrics, "tasks", state="failed")
        worker.tasks = ["RUNNING", "RUNNING"]
        task.turn()

    assert (worker.restarts, shown(metrics, "task_restarts_total")) == (MAX_RESTARTS, MAX_RESTARTS)
    assert (given_up, failed, shown(metrics, "tasks", state="failed")) == (1, 1, 0)
    assert waits[0] == pytest.approx(FIRST_WAIT_SECONDS, abs=1)
    told = [line["event"] for line in logs]
    assert [event for event in told if event != "connector.restarted"] == [
        "connector.failed", "connector.given_up", "connector.runs",
    ]  # fmt: skip
    assert "sesame" not in str(logs)


@pytest.mark.parametrize(("state", "tasks"), [("PAUSED", ["FAILED"]), ("PAUSED", ["PAUSED"]), ("STOPPED", [])])
def test_what_a_person_has_put_to_rest_stays_so(worker, keeper, pass_time, session, state, tasks):
    """Though a task of it has failed; and since when it rests is noted, also where Kafka Connect itself was asked."""
    task, metrics = keeper("a:1")
    worker.connector, worker.tasks = state, tasks
    for _ in range(3):
        task.turn()
        pass_time(30)
    rest = connector.rest_of(session, "crucible")
    connector.note_rest(session, "crucible", "ann@site")
    task.turn()
    noted = connector.rest_of(session, "crucible")
    worker.connector, worker.tasks = "RUNNING", ["RUNNING"]
    task.turn()

    assert (worker.restarts, shown(metrics, "task_restarts_total")) == (0, 0)
    assert (rest.by, noted.by, connector.rest_of(session, "crucible")) == (None, "ann@site", None)


def test_one_process_looks_and_another_when_it_is_gone(worker, keeper, pass_time):
    """At once when the first one ends in order, else when its lease is over; restarts are counted for both."""
    worker.tasks = ["FAILED"]
    (first, of_first), (second, of_second) = keeper("a:1"), keeper("b:2")
    first.turn()
    second.turn()
    assert (shown(of_first, "tasks", state="failed"), shown(of_second, "tasks", state="failed")) == (1, None)
    pass_time(20)
    second.turn()
    assert worker.restarts == 0
    first.turn()
    assert worker.restarts == 1

    pass_time(61)
    second.turn()
    first.turn()

    assert worker.restarts == 2
    assert (shown(of_first, "tasks", state="failed"), shown(of_second, "tasks", state="failed")) == (None, 1)

    second.end()
    first.turn()

    assert shown(of_first, "tasks", state="failed") == 1


def test_what_is_not_known_is_not_shown(worker, keeper):
    """While Kafka Connect is away, nobody can tell whether a task still fails."""
    worker.tasks = ["FAILED"]
    task, metrics = keeper("a:1")
    task.turn()
    worker.away = True
    with pytest.raises(TemporaryError) as caught:
        task.turn()
    task.away(caught.value)

    assert shown(metrics, "tasks", state="failed") is None


def test_the_waits_are_those_that_are_documented():
    """15 seconds, then twice as long each; a restart that is older than an hour counts no more."""
    assert [restart_due_in(0.0, [0.0] * n) for n in range(7)] == [15, 30, 60, 120, 240, 480, None]
    assert restart_due_in(3601.0, [3600.0] * 6) == 15 - 3601
