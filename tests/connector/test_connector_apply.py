"""The connector file that ships, applied to the real Kafka Connect."""

import json
import re
from functools import partial

import httpx
import psycopg
import pytest
from prometheus_client import CollectorRegistry

import debezium
from tests import site_database
from tests.awaiting import await_that
from tests.connector.site import CRUCIBLE, ENTRY
from watcher.admin.connector.apply import await_running
from watcher.admin.connector.file import ConnectorFile, read_connector_file
from watcher.admin.connector.keep_running import KeepRunning
from watcher.admin.connector.plan import ConnectorInvalidError, plan_connector
from watcher.migrations.postgres.migrate import ensure
from watcher.postgres.session import open_session
from watcher.telemetry.metrics import Metrics

pytestmark = pytest.mark.usefixtures("parts")


def test_applied_once_it_streams_and_applied_twice_it_changes_nothing(site, crucible):
    """A role that owns nothing and may only read and replicate is enough for snapshot, stream and heartbeat."""
    with site.database() as database:
        database.execute(CRUCIBLE, (1,))
        database.execute(ENTRY, (1, 1))
    first = crucible("connector", "apply", *site.overlay)
    site.await_streaming()
    with site.database() as database:
        database.execute(ENTRY, (2, 1))
    second = crucible("connector", "apply", *site.overlay, "--json")
    operations = [json.loads(record.value())["op"] for record in site.records("postgres.CrucibleEntry", 2)]

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert sorted(operations) == ["c", "r"]
    answer = json.loads(second.stdout)
    assert answer["plan"]["changes"] == []
    assert answer["plan"]["guards"] == {"worker": True, "connector": "requested", "identity": True}
    assert {task["state"] for task in answer["status"]["tasks"]} == {"RUNNING"}


def test_a_connector_at_rest_runs_again_when_applied(site, crucible):
    """It differs from the file by its state alone, which `diff` shows and `apply` ends."""
    crucible("connector", "apply", *site.overlay)
    httpx.put(f"{site.parts.endpoints.connect_url}/connectors/{site.name}/stop").raise_for_status()
    looks = [crucible("connector", "diff", *site.overlay)]

    def differs() -> bool:
        looks.append(crucible("connector", "diff", *site.overlay))
        return looks[-1].returncode != 0

    await_that(differs, "the worker to take notice")
    shown = looks[-1]
    applied = crucible("connector", "apply", *site.overlay)
    after = crucible("connector", "diff", *site.overlay)

    assert (shown.returncode, "~ state: STOPPED -> RUNNING" in shown.stdout) == (1, True), shown.stdout + shown.stderr
    assert (applied.returncode, "1 task(s) running" in applied.stdout) == (0, True), applied.stdout + applied.stderr
    assert after.returncode == 0


def test_paused_by_a_person_it_goes_on_from_there(site, crucible):
    """Each verb returns when it is so: what is written between pause and resume comes after both, and once."""
    named = ["--name", site.name]
    crucible("connector", "apply", *site.overlay)
    site.await_streaming()
    paused = crucible("connector", "pause", *named)
    with site.database() as database:
        database.execute(CRUCIBLE, (1,))
    again, refused = crucible("connector", "pause", *named, "--json"), crucible("connector", "restart", *named)
    shown = crucible("connector", "status", *named)
    resumed = crucible("connector", "resume", *named)
    operations = [json.loads(record.value())["op"] for record in site.records("postgres.Crucible", 1)]
    restarted = crucible("connector", "restart", *named, "--all", "--json")

    done = (paused, again, refused, shown, resumed, restarted)
    assert [one.returncode for one in done] == [0, 0, 1, 1, 0, 0], [one.stderr for one in done]
    assert paused.stdout == (f"connector {site.name} was RUNNING (task 0 RUNNING), and is PAUSED (task 0 PAUSED)\n")
    assert (json.loads(again.stdout)["did"], json.loads(again.stdout)["status"]["state"]) == (False, "PAUSED")
    assert "`crucible connector resume`" in refused.stderr
    assert re.search(rf"{site.name} is PAUSED since 20\d\d-\S+, by \S+@\S+; `crucible connector resume`", shown.stderr)
    assert operations == ["c"]
    assert (json.loads(restarted.stdout)["did"], json.loads(restarted.stdout)["status"]["runs"]) == (True, True)


def test_a_task_that_has_failed_is_started_again_once_its_cause_is_gone(site, crucible):
    """Kafka Connect itself would leave it as it is for ever."""
    done = crucible("connector", "apply", *site.overlay, "--set", "publication.name=later")
    metrics, schema = Metrics(CollectorRegistry()), "crucible_watcher"
    ensure(site.dsn, schema)
    with site.worker() as worker, site.database() as database:
        keeper = KeepRunning(worker, [site.name], partial(open_session, site.dsn, schema), metrics.connector, "a:1")
        keeper.turn()
        database.execute('CREATE PUBLICATION later FOR TABLE "Crucible", "CrucibleEntry"')
        database.execute("UPDATE crucible_watcher.connector SET failed_since = now() - interval '1 minute'")
        before = worker.status(site.name)
        keeper.turn()
        after = await_running(worker, ConnectorFile(site.name, {}), timeout=60.0)

    assert (done.returncode, before.runs, after.runs) == (1, False, True)
    told = {"connector": site.name}
    assert metrics.registry.get_sample_value("crucible_connector_task_restarts_total", told) == 1


def test_every_key_of_every_shipped_file_is_known_to_the_plugin(site):
    """A key that nobody reads would be a setting that people believe in."""
    with site.worker() as worker:
        for path in (debezium.CONNECTOR, debezium.CONNECTOR_AVRO, debezium.EVENTS):
            plan = plan_connector(worker, read_connector_file(path, name=site.name, overlay=site.pairs))

            assert not plan.exists
        with pytest.raises(ConnectorInvalidError, match=r"slot\.nane.*did you mean slot\.name"):
            plan_connector(
                worker, read_connector_file(debezium.CONNECTOR, name=site.name, overlay=[*site.pairs, "slot.nane=x"])
            )


def test_a_change_is_shown_before_it_is_made_and_without_its_secrets(site, crucible, parts):
    """`diff` exits with 1 and changes nothing; a password is neither in its answer nor in that of `apply`."""
    usual = parts.postgres.replication_password
    crucible("connector", "apply", *site.overlay)
    with psycopg.connect(site.dsn, autocommit=True) as database:
        database.execute(f"ALTER ROLE {site_database.DEBEZIUM_ROLE} PASSWORD 'another-one'")
    try:
        more = ["--set", "poll.interval.ms=20", "--set", "database.password=another-one"]
        shown = crucible("connector", "diff", *site.overlay, *more)
        again = crucible("connector", "diff", *site.overlay, *more, "--json")
        applied = crucible("connector", "apply", *site.overlay, *more)
        after = crucible("connector", "diff", *site.overlay, *more)
    finally:
        with psycopg.connect(site.dsn, autocommit=True) as database:
            database.execute(f"ALTER ROLE {site_database.DEBEZIUM_ROLE} PASSWORD '{usual}'")

    assert shown.returncode == again.returncode == 1
    assert "~ poll.interval.ms: 10 -> 20" in shown.stdout
    assert "~ database.password: ${env:CRUCIBLE_DEBEZIUM_PASSWORD} -> ***" in shown.stdout
    assert applied.returncode == 0, applied.stderr
    assert (after.returncode, "is as the file says" in after.stdout) == (0, True)
    everything = "".join(done.stdout + done.stderr for done in (shown, again, applied, after))
    assert "another-one" not in everything
    assert usual not in everything


@pytest.mark.parametrize(
    ("pair", "code", "told"),
    [
        ("database.password=not-the-password", 78, "password authentication failed"),
        ("poll.interval.ms=soon", 78, "poll.interval.ms"),
        ("connector.class=io.example.Missing", 78, "no plugin io.example.Missing"),
        ("publication.name=missing", 1, "Publication autocreation is disabled"),
        ("publication.autocreate.mode=filtered", 1, "must be owner of publication"),
    ],
)
def test_a_connector_that_cannot_run_is_told_with_its_reason(site, crucible, pair, code, told):
    """What validation finds exits with 78 and leaves nothing behind; what only a running task finds exits with 1."""
    done = crucible("connector", "apply", *site.overlay, "--set", pair)

    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stderr
    assert "not-the-password" not in done.stdout + done.stderr
    with site.worker() as worker:
        assert (worker.config(site.name) is None) == (code == 78)


def test_deleted_with_its_offsets_it_starts_with_a_snapshot_again(site, crucible):
    """Without --offsets a connector of the same name goes on where the last one stopped."""
    with site.database() as database:
        database.execute(CRUCIBLE, (1,))
    codes = [crucible("connector", "apply", *site.overlay).returncode]
    site.records("postgres.Crucible", 1)
    codes.append(crucible("connector", "delete", "--name", site.name, "--yes").returncode)
    codes.append(crucible("connector", "status", "--name", site.name).returncode)
    codes.append(crucible("connector", "apply", *site.overlay).returncode)
    with site.database() as database:
        database.execute(CRUCIBLE, (2,))
    kept = [json.loads(record.value())["op"] for record in site.records("postgres.Crucible", 2)]
    codes.append(crucible("connector", "delete", "--name", site.name, "--offsets", "--yes").returncode)
    codes.append(crucible("connector", "apply", *site.overlay).returncode)
    anew = [json.loads(record.value())["op"] for record in site.records("postgres.Crucible", 4)]

    assert codes == [0, 0, 1, 0, 0, 0]
    assert sorted(kept) == ["c", "r"]
    assert sorted(anew) == ["c", "r", "r", "r"]


@pytest.mark.soak("starts the worker twice")
def test_a_worker_without_exactly_once_support_is_told_apart(site, crucible, parts):
    """The guard is asked of the worker itself, whatever the connector file hopes for."""
    parts.connect.exactly_once = False
    try:
        _restart(parts)
        off = crucible("connector", "diff", *site.overlay)
    finally:
        parts.connect.exactly_once = True
        _restart(parts)
    on = crucible("connector", "diff", *site.overlay)

    assert "exactly-once source: OFF" in off.stdout
    assert "exactly-once source: on" in on.stdout


def test_a_worker_that_is_away_is_worth_another_try(crucible):
    """Exit 75 tells a supervisor to come again."""
    done = crucible("connector", "status", CRUCIBLE_CONNECT__URL="http://127.0.0.1:9")

    assert done.returncode == 75
    assert "Kafka Connect at http://127.0.0.1:9 (connect.url): nobody listens at 127.0.0.1:9" in done.stderr


def _restart(parts):
    parts.connect.stop()
    parts.connect.start()
    parts.connect.await_ready(60)
