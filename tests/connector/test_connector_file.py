"""Connector files: both forms of the API, overlays, and what is shown of them. No worker needed."""

import json

import pytest

from tests import command
from watcher.admin.connector.diff import changed_settings
from watcher.admin.connector.failure import short_trace
from watcher.admin.connector.file import ConnectorFileError, parse_connector_file, read_connector_file
from watcher.admin.connector.secrets import is_secret, shown, without_secrets

CLASS = {"connector.class": "X"}


@pytest.mark.parametrize(
    "body",
    [{"name": "n", "config": CLASS | {"tasks.max": 1}}, CLASS | {"name": "n", "tasks.max": "1"}],
    ids=["name and config", "settings alone"],
)
def test_both_forms_of_kafka_connects_api_mean_the_same(body):
    """People have either at hand: POST wants one, PUT the other."""
    file = parse_connector_file(json.dumps(body))

    assert (file.name, dict(file.config)) == ("n", CLASS | {"tasks.max": "1"})


def test_an_overlay_replaces_adds_and_removes():
    """What differs per machine is laid over the shipped file; a value may itself hold an equals sign."""
    file = parse_connector_file(json.dumps(CLASS | {"a": "1", "b": "2"}), name="n", overlay=["a=", "b=3", "c=x=y"])

    assert dict(file.config) == CLASS | {"b": "3", "c": "x=y"}


@pytest.mark.parametrize(
    ("text", "overlay", "told"),
    [
        ("{", [], "expected JSON"),
        ("[]", [], "expected an object of settings, found list"),
        ('{"config": 3}', [], "`config` should be an object, found int"),
        ('{"name": "n"}', [], "`connector.class` is missing"),
        ('{"connector.class": "X"}', [], "has no name"),
        ('{"connector.class": "X", "name": "n", "a": []}', [], "a should be text, a number or a boolean, found list"),
        ('{"connector.class": "X", "name": "n"}', ["a"], "--set a: expected key=value"),
    ],
)
def test_what_is_no_connector_file_is_told_by_name(text, overlay, told):
    """One sentence: what was given, what is expected."""
    with pytest.raises(ConnectorFileError, match=told.replace("`", ".")) as caught:
        parse_connector_file(text, overlay=overlay, given_as="my.json")

    assert "--set" in told or str(caught.value).startswith("my.json")


def test_a_file_that_is_not_there_is_told_by_path(tmp_path):
    """Not a traceback."""
    with pytest.raises(ConnectorFileError, match=r"none\.json: cannot be read"):
        read_connector_file(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("database.password", True),
        ("database.sslkey", True),
        ("ssl.key.password", True),
        ("aws.secret.access.key", True),
        ("api.key", True),
        ("basic.auth.user.info", True),
        ("producer.override.sasl.jaas.config", True),
        ("gcp.credentials.json", True),
        ("key.converter", False),
        ("key.converter.schemas.enable", False),
        ("message.key.columns", False),
        ("transforms.outbox.table.field.event.key", False),
        ("database.hostname", False),
        ("tombstones.on.delete", False),
    ],
)
def test_a_secret_is_known_by_its_key(key, secret):
    """A masked converter would hide what an operator needs to see; a shown password is worse."""
    assert is_secret(key) is secret


def test_secrets_are_masked_on_both_sides_of_a_change_and_references_are_not():
    """A changed password is seen to change; a reference tells where it lies, not what it is."""
    running = {"database.password": "old-one", "heartbeat.action.query": "q"}
    wanted = {"database.password": "${file:/run/pg:password}", "heartbeat.action.query": "q", "api.key": "sesame"}

    lines = [str(change) for change in changed_settings(running, wanted)]

    assert lines == ["+ api.key = ***", "~ database.password: *** -> ${file:/run/pg:password}"]


def test_a_reference_with_something_around_it_is_masked():
    """Only a whole reference is free of secrets."""
    assert shown("database.password", "hunter${env:REST}") == "***"


def test_equal_configurations_do_not_differ_and_the_name_is_none_of_them():
    """Kafka Connect adds the name to what it keeps."""
    assert changed_settings(CLASS | {"name": "n"}, CLASS) == ()


def test_a_java_trace_is_cut_to_what_happened_without_secrets():
    """A person reads three lines; none of them holds the password that the driver may have put there."""
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: cannot log in with sesame\n\tat a.B.c(B.java:1)\n"
        "Caused by: org.postgresql.util.PSQLException: FATAL: no\n\tat d.E.f(E.java:2)\n\t... 7 more\n"
    )
    text = without_secrets(short_trace(trace), [{"database.password": "sesame"}])

    assert text.splitlines() == [
        "org.apache.kafka.connect.errors.ConnectException: cannot log in with ***",
        "Caused by: org.postgresql.util.PSQLException: FATAL: no",
    ]


@pytest.mark.parametrize(("given", "told"), [("debezium/events.json", "try again later"), ("events.json", "cannot be")])
def test_a_shipped_file_is_found_from_anywhere(tmp_path, given, told):
    """Where the program is installed there is no checkout; another file of the same name is not meant."""
    nowhere = {"CRUCIBLE_CONNECT__URL": "http://127.0.0.1:1", "PATH": "/usr/bin:/bin"}
    done = command.crucible("connector", "diff", "-f", given, environ=nowhere, folder=tmp_path)

    assert done.returncode != 0
    assert told in done.stderr
