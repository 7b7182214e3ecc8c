"""The container files cannot run where the tests do; what can be told without running them is told here."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

import config
from config.keys import keys
from handlers import REGISTRY
from watcher.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())["services"]
JARS = tomllib.loads((ROOT / "stack" / "jars.lock.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
RULES: list[dict[str, Any]] = YAML(typ="safe").load((ROOT / "monitoring" / "alerts.yml").read_text())["groups"][0][
    "rules"
]
LABELS = {
    one.name: set(one.labels) for one in Metrics(CollectorRegistry(), (table.name for table in REGISTRY)).catalogue
}
"""Of every metric."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)


def metrics_of(expression: str) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"crucible_\w+", expression)}


SCRAPED_LABELS = {"instance", "job"}
"""What Prometheus itself labels all series with that it reads."""


def labels_of(expression: str) -> set[str]:
    """What the result of an alert's expression is labelled with, for the forms that occur."""
    grouped = [set(re.findall(r"\w+", names)) for names in re.findall(r"by \(([^)]*)\)", expression)]
    if not grouped and re.search(r"\b(sum|max|min|absent)\(", expression):
        return set()
    return set.intersection(*(grouped or [SCRAPED_LABELS | LABELS[name] for name in metrics_of(expression)]))


def jar(name: str) -> str:
    """The version that the local stack runs."""
    coordinates = [coordinate for group in JARS.values() for coordinate in group if f":{name}:" in coordinate]
    return coordinates[0].split(":")[2]


def tag(service: str) -> str:
    return COMPOSE[service]["image"].rpartition(":")[2]


def test_the_compose_file_is_one():
    """It holds to the Compose specification's own schema."""
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")

    assert done.returncode == 0, done.stdout


def test_a_compose_file_that_is_none_is_found(tmp_path: Path):
    """The schema refuses what it does not know."""
    file = tmp_path / "compose.yaml"
    file.write_text("services: {watcher: {imagine: crucible}}\n")

    assert run(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)
    ).returncode


def test_the_dockerfile_has_no_known_fault(tmp_path: Path):
    """Nothing that hadolint warns of; and it does warn."""
    hadolint = str(Path(sysconfig.get_path("scripts")) / "hadolint")
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd / && sudo pip install x\n")

    done = run(hadolint, "Dockerfile")

    assert (done.returncode, done.stdout) == (0, "")
    assert run(hadolint, str(bad)).returncode == 1


def test_containers_and_local_stack_are_the_same_versions():
    """What the tests proved on this machine is what the containers run."""
    from stack import Options

    assert tag("kafka") == jar("kafka_2.13")
    assert tag("connect") == jar("debezium-connector-postgres")
    assert tag("registry") == jar("apicurio-registry-app")
    assert tag("clickhouse") == ".".join(version("chdb-core").split(".")[:2])
    assert tag("postgres") == str(Options().postgres_version)
    assert tuple(map(int, tag("redis").split("."))) >= (6, 2)


def test_containers_keep_what_the_local_stack_keeps():
    """The settings that the promises lean on are in both."""
    assert "wal_level=logical" in COMPOSE["postgres"]["command"]
    assert COMPOSE["connect"]["environment"]["CONNECT_EXACTLY_ONCE_SOURCE_SUPPORT"] == "enabled"
    redis = " ".join(COMPOSE["redis"]["command"])
    assert ("--appendonly yes" in redis, "noeviction" in redis) == (True, True)


def test_the_watchers_variables_are_settings(monkeypatch: pytest.MonkeyPatch):
    """A misspelt variable would stop the container at its start, with exit 78."""
    known = {key.variable for key in keys()}

    given = COMPOSE["watcher"]["environment"]

    assert set(given) - known == set()
    for name, value in given.items():
        monkeypatch.setenv(name, re.sub(r"\$\{[^:}]*:-([^}]*)\}", r"\1", value))
    assert config.load().clickhouse.host == "clickhouse"


def test_the_apis_variables_are_settings_and_enough(monkeypatch: pytest.MonkeyPatch):
    """It would not start without auth, and says so only when it is too late."""
    for name, value in COMPOSE["api"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{[^:}]*:-([^}]*)\}", r"\1", value))

    settings = config.load(run={"role": COMPOSE["api"]["command"][-1]})

    assert settings.api.lacks() == []
    assert f":{settings.api.port}" in COMPOSE["api"]["ports"][0]


def test_what_settles_has_its_role_and_its_books(monkeypatch: pytest.MonkeyPatch):
    """It would not start without, and nobody else is given them."""
    for name, value in COMPOSE["settle"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{[^:}]*:-([^}]*)\}", r"\1", value))

    config.require_role(config.load(run={"role": COMPOSE["settle"]["command"][-1]}))

    others = [set(service.get("environment", {})) for name, service in COMPOSE.items() if name != "settle"]
    assert [names for names in others if any(re.search("SETTLE|BUZZ", name) for name in names)] == []


def test_connector_files_find_their_variables():
    """Every reference of a connector file is set in the worker's container, and allowed to be read there."""
    worker = COMPOSE["connect"]["environment"]
    allowed = re.compile(worker["CONNECT_CONFIG_PROVIDERS_ENV_PARAM_ALLOWLIST_PATTERN"])

    wanted = {
        name
        for file in ("connector.json", "connector-avro.json")
        for name in re.findall(r"\$\{env:(\w+)\}", (ROOT / "debezium" / file).read_text())
    }

    assert wanted
    assert wanted - set(worker) == set()
    assert [name for name in wanted if not allowed.match(name)] == []


def test_the_image_is_built_from_every_package():
    """A package that is not copied would be missing in the wheel, without an error."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    for package in packages["packages"]:
        assert f"COPY {package} {package}\n" in DOCKERFILE
        assert f"!{package}" in ignored


def test_the_image_runs_as_nobody_in_particular():
    """Neither root nor an account that exists elsewhere, and signals reach the program."""
    final = DOCKERFILE.rpartition("\nFROM ")[2]

    assert "\nUSER 10001:10001\n" in final
    assert 'ENTRYPOINT ["tini", "--", "crucible"]' in final


def test_prometheus_scrapes_every_daemon():
    """An alert on what nobody scrapes never fires."""
    (job,) = YAML(typ="safe").load((ROOT / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    targets = [target for group in job["static_configs"] for target in group["targets"]]
    daemons = [name for name, service in COMPOSE.items() if (service.get("command") or [""])[0] == "run"]

    assert sorted(targets) == sorted(f"{name}:{config.Settings().ops.port}" for name in daemons)
    assert len(daemons) == 3


def test_alerts_and_metrics_know_each_other():
    """An alert on a metric that does not exist is silent for ever; so is one without a word on what to do."""
    for rule in RULES:
        used = metrics_of(rule["expr"])
        assert used, rule["alert"]
        assert used - LABELS.keys() == set(), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "action"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_labels_that_it_has(rule: dict[str, Any]):
    """A label that the expression does not keep is an empty word in the middle of the sentence that wakes somebody."""
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))

    assert named - labels_of(rule["expr"]) == set()


def test_labels_that_an_expression_does_not_keep_are_known():
    """The control: grouped, merged, or never there."""
    assert labels_of("sum by (sink) (crucible_sink_errors_total)") == {"sink"}
    assert labels_of("max(crucible_sink_errors_total)") == set()
    assert labels_of("crucible_consumer_lag_messages > 1") == {"topic", "partition", "instance", "job"}


def test_alerts_on_an_age_wait_for_the_first_turn():
    """A process that has just started is not late; it has a minute to say when it last turned."""
    on_an_age = [rule for rule in RULES if rule["expr"].startswith("time() -")]

    assert [rule["alert"] for rule in on_an_age] == [
        *("CrucibleLoopStuck", "CrucibleComparisonStands", "CrucibleVotesNotDrained", "CrucibleOutboxOld"),
        *("CrucibleEntriesWaitLong", "CrucibleSettlementLate", "CrucibleCheckpointsLate"),
    ]
    assert {rule.get("for") for rule in on_an_age} == {"1m"}


def test_alerts_on_what_one_role_alone_knows_pass_over_the_others():
    """A process of another role never sets the gauge, and its 0 is no age of fifty years."""
    of_some = re.compile(r"time\(\) - .*(outbox|entries|settlement|checkpoint)")
    of_one_role = [rule["expr"] for rule in RULES if of_some.search(rule["expr"])]

    assert len(of_one_role) == 4
    unset = re.compile(r"_seconds(\{.*\})? > 0\)")
    assert [expression for expression in of_one_role if not unset.search(expression)] == []


def test_reading_that_stands_still_has_an_alert_of_its_own():
    """A paused stream counts as healthy and its lag does not grow, so nothing else would tell."""
    (rule,) = [rule for rule in RULES if "crucible_paused_partitions" in rule["expr"]]

    assert (rule["expr"], rule["for"]) == ("crucible_paused_partitions > 0", "5m")


def test_everything_that_is_consumed_has_a_column_in_the_alert():
    """The alert of a loss counts what the books count, changes in flight included; else steady traffic is a loss."""
    (rule,) = [rule for rule in RULES if rule["alert"] == "CrucibleUnaccounted"]

    assert metrics_of(rule["expr"]) == {
        *("crucible_events_consumed_total", "crucible_events_applied_total", "crucible_events_ignored_total"),
        *("crucible_dlq_events_total", "crucible_events_in_flight"),
    }
