"""The command line teaches, answers quickly and fails in one message."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from handlers import REGISTRY
from tests import command
from tests.acceptance.daemon import REPOSITORY
from watcher.cli import app
from watcher.cli.lazy import VERBS, load_verb


def crucible(*arguments: str, **environ: str) -> command.Done:
    """Run the command as a person would, in an environment without settings."""
    own = {"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "120", **environ}
    return command.crucible(*arguments, environ=own, folder=REPOSITORY)


def test_the_help_names_every_verb_and_imports_none():
    """Help must not wait for the clients of all verbs."""
    watched = "import sys; from typer.testing import CliRunner; from watcher.cli import app; "
    code = (
        watched + "print(CliRunner().invoke(app, ['--help']).output); "
        "print([name for name in ('confluent_kafka', 'clickhouse_connect', 'redis', 'psycopg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert [verb for verb in VERBS if verb not in done.stdout] == []
    assert done.stdout.strip().endswith("[]")


def test_bad_settings_are_one_message_and_exit_78():
    """No traceback, nothing on standard output, and a code that tells a supervisor not to try again."""
    done = crucible("config", "show", CRUCIBLE_KAFKA__GRUOP="x", CRUCIBLE_CLICKHOUSE__PORT="0")

    assert (done.returncode, done.stdout) == (78, "")
    assert "Traceback" not in done.stderr
    assert [line.split(" ")[0].rstrip(":") for line in done.stderr.splitlines()[1:]] == [
        "CRUCIBLE_KAFKA__GRUOP",
        "clickhouse.port",
    ]


SSL = "SSL_CA_LOCATION", "/missing", {"CRUCIBLE_KAFKA__SECURITY_PROTOCOL": "SSL"}
TOPICS = "TOPICS", "^a{99999}", dict[str, str]()  # fine for Python, too much for POSIX
INTERVAL = "MAX_POLL_INTERVAL", "0.0001", {"CRUCIBLE_KAFKA__SESSION_TIMEOUT": "0.0001"}


@pytest.mark.parametrize(
    ("arguments", "setting", "given", "more"),
    [
        (("config", "check"), *SSL),
        (("config", "check"), *TOPICS),
        (("config", "check"), *INTERVAL),
        (("run",), *SSL),
        (("offsets", "show"), *TOPICS),
        (("dlq", "list"), *INTERVAL),
    ],
)
def test_what_kafkas_client_refuses_is_a_wrong_setting(
    arguments: tuple[str, ...], setting: str, given: str, more: dict[str, str]
):
    """Nothing is begun: the line names the key and what was given, where there was a traceback."""
    done = crucible(*arguments, **{f"CRUCIBLE_KAFKA__{setting}": given}, **more)

    line = f"kafka.{setting.lower()} (CRUCIBLE_KAFKA__{setting}): given "
    assert done.returncode == 78, done.stderr
    assert done.stderr.splitlines()[0] == "crucible: the settings cannot be used:"
    assert [line in done.stderr, given in done.stderr, "Traceback" in done.stderr] == [True, True, False]


AUTH = {
    "CRUCIBLE_API__ISSUER": "https://site",
    "CRUCIBLE_API__AUDIENCE": "votes",
    "CRUCIBLE_API__PAIR_SECRETS": "p" * 32,
    "CRUCIBLE_API__HS256_SECRETS": "s" * 32,
}
NO_KAFKA = {"CRUCIBLE_KAFKA__SECURITY_PROTOCOL": "SSL", "CRUCIBLE_KAFKA__SSL_CA_LOCATION": "/missing"}


@pytest.mark.parametrize(
    ("role", "environ", "keys"),
    [
        ("watch", {}, []),
        ("watch", {"CRUCIBLE_REDIS__CLUSTER": "true"}, []),
        ("watch", NO_KAFKA, ["kafka.ssl_ca_location"]),
        ("api", AUTH | NO_KAFKA, []),
        ("api", AUTH | {"CRUCIBLE_REDIS__CLUSTER": "true"}, ["redis.cluster"]),
        ("api", {}, ["api.issuer", "api.audience", "api.pair_secrets", "api.hs256_secrets"]),
        ("settle", NO_KAFKA, ["settle.dsn", "buzz.url"]),
        (
            "settle",
            {"CRUCIBLE_NOTIFY__URL": "http://n", "CRUCIBLE_BUZZ__BOOKS": "ledger"},
            ["settle.dsn", "notify.token"],
        ),
        ("all", AUTH | NO_KAFKA | {"CRUCIBLE_REDIS__CLUSTER": "true"}, ["redis.cluster", "kafka.ssl_ca_location"]),
        ("all", AUTH | {"CRUCIBLE_SETTLE__DSN": "host=db"}, ["buzz.url"]),
    ],
)
def test_the_check_knows_what_a_role_needs(role: str, environ: dict[str, str], keys: list[str]):
    """What keeps a role from starting is told beforehand, all at once; what it does not use is not asked of it."""
    for arguments, setting in ((["--role", role], "api" if role == "watch" else "watch"), ([], role)):
        done = CliRunner().invoke(
            app, ["config", "check", "--json", *arguments], env={"CRUCIBLE_RUN__ROLE": setting, **environ}
        )

        assert [line.split(" ")[0] for line in json.loads(done.stdout)["faults"]] == keys
        assert done.exit_code == (78 if keys else 0)


def test_a_fault_names_keys_of_secrets_as_they_were_given():
    """What hides passwords must not take the words after a key that sounds like one for its value."""
    done = crucible("config", "check", CRUCIBLE_SECRETS_DIR="/missing", CRUCIBLE_REDIS__PASSWORD="hunter2")

    assert done.returncode == 78
    assert "CRUCIBLE_SECRETS_DIR: given '/missing'" in done.stderr
    assert "CRUCIBLE_REDIS__PASSWORD: no setting has this name" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_check_for_programs_lists_the_faults():
    """With --json the faults are the answer, under the same code."""
    done = crucible("config", "check", "--json", CRUCIBLE_KAFKA__GRUOP="x")

    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], len(answer["faults"])) == (78, False, 1)


def test_a_wrong_verb_says_which_was_meant():
    """A usage error is exit 2 with the nearest name."""
    done = crucible("docter")

    assert done.returncode == 2
    assert "doctor" in done.stderr


def test_the_handlers_tell_what_a_change_does():
    """Table, operations, effects and a sample row, for programs and for people."""
    tables = json.loads(crucible("handlers", "--json").stdout)

    assert [table["name"] for table in tables] == list(REGISTRY.tables)
    entries = {handler["name"]: handler for handler in tables[1]["handlers"]}
    assert (
        "CREATE: MetricDelta entity_type=Crucible entity_id=42 user_id=7 metric_type=Entry value=1"
        in (entries["count_entries"]["effects"])
    )
    assert json.loads(tables[1]["sample"])["crucibleId"] == 42


@pytest.mark.parametrize("verb", ["pause", "resume", "restart", "status"])
def test_a_connector_that_cannot_be_asked_about_is_a_wrong_command_line(verb: str):
    """A web server's page about ambiguous addresses helps nobody."""
    done = CliRunner().invoke(app, ["connector", verb, "--name", "../other"], env={"COLUMNS": "200"})

    assert (done.exit_code, "with /" in done.output) == (2, True), done.output


def test_to_put_right_and_to_look_only_is_a_wrong_command_line():
    """Whoever writes both must not have the stronger one chosen."""
    done = CliRunner().invoke(app, ["reconcile", "--fix", "--dry-run"])

    assert (done.exit_code, "one of them" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [(("show", "seventeen"), "TOPIC[PARTITION]@OFFSET"), (("list", "--reason", "bad_rows"), "incomplete_row")],
)
def test_a_dead_letter_that_cannot_be_is_a_wrong_command_line(arguments: tuple[str, ...], allowed: str):
    """A misspelt name must not look like "there is none", nor wait for Kafka."""
    done = crucible("dlq", *arguments, CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9")

    assert done.returncode == 2
    assert repr(arguments[-1]) in done.stderr
    assert allowed in done.stderr


def test_a_driver_does_not_speak_between_the_lines():
    """What ClickHouse's client would log besides its exception has no name, no reason and no advice."""
    code = (
        "from watcher.model.errors import TemporaryError\n"
        "from watcher.clickhouse.client import connect\n"
        "who = {'username': 'default', 'password': '', 'database': 'default', 'secure': False, 'timeout': 5}\n"
        "try: connect(host='127.0.0.1', port=9, **who)\n"
        "except TemporaryError: print('away')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout, done.stderr) == ("away\n", "")


@pytest.mark.parametrize(("verb", "extra"), [("stack", "stack"), ("connector", "dev")])
def test_a_package_that_is_missing_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, verb: str, extra: str
):
    """In words that hold for an installed wheel: there is no folder there to install."""

    def lacking(_: str) -> None:
        raise ModuleNotFoundError("No module named 'jgo'", name="jgo")

    monkeypatch.setattr("watcher.cli.lazy.importlib.import_module", lacking)

    with pytest.raises(typer.BadParameter) as refused:
        load_verb(verb)
    assert refused.value.message == (
        f"`crucible {verb}` needs the package jgo, which is not installed: pip install 'crucible-watcher[{extra}]'"
    )


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "stack"])  # its verbs stand for themselves
def test_every_help_shows_an_example(verb: str):
    """A person learns a verb from one line that works; a verb of several steps shows one for each."""
    command = load_verb(verb)
    steps = getattr(command, "commands", {verb: command})

    assert [name for name, step in steps.items() if f"crucible {verb}" not in (step.help or "")] == []


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("pass", ""),
        ("raise StopError('a record is lost')", "a record is lost"),
        ("raise UnfitError('a right is missing')", "a right is missing"),
        ("raise ValueError('of ours')", "ValueError: of ours"),
    ],
)
def test_the_daemon_ends_whatever_its_threads_wait_for(ended: str, said: str):
    """A worker that nobody answers is not joined; what was said before, and why it ended, is still told."""
    code = f"""
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
import config, watcher.bootstrap.watch
from watcher.cli import main
from watcher.model.errors import StopError, UnfitError

def watch(_):
    ThreadPoolExecutor(1).submit(threading.Event().wait)
    print("the last line", end="")
    {ended}

config.load = lambda: SimpleNamespace(run=SimpleNamespace(role="watch"))
watcher.bootstrap.watch.watch = watch
sys.argv[1:] = ["run"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)

    assert (done.returncode, done.stdout) == (1 if said else 0, "the last line")
    lines = [json.loads(line) for line in done.stderr.splitlines()]  # as a container's log is: each is an object
    assert [one["error"] for one in lines] == [said] * bool(said)
    assert [one["event"] for one in lines if "exception" in one] == ["process.failed"] * said.startswith("ValueError")


SPEAKS_BESIDES = """
import logging, sys, warnings
import structlog
from watcher.cli import app, main

@app.command()
def speak() -> None:
    logging.getLogger("urllib3.connectionpool").warning("Retrying (Retry(total=0))")
    warnings.warn("old ways")
    structlog.get_logger("watcher").warning("neighbour.away", neighbour="kafka")
    print("answer")

sys.argv = ["crucible", "speak"]
main()
"""


def test_an_answer_has_nothing_of_what_is_logged_besides():
    """One parser reads all other lines, also those of a verb that sets nothing up."""
    done = subprocess.run(
        [sys.executable, "-c", SPEAKS_BESIDES], capture_output=True, text=True, check=True, timeout=60
    )

    said = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert done.stdout == "answer\n"
    assert "neighbour.away" in said
    assert not any("Retrying" in one for one in said)
