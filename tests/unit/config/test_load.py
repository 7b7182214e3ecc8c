"""A wrong setting is one line that names the key, what was given and what is allowed; nothing wrong passes silently."""

import json

import pytest

import config
import debezium
from tests.unit.config.loading import faults, setting


def test_the_defaults_are_usable():
    """Without any setting the program starts against neighbours on this machine."""
    assert config.load().kafka.group == "crucible-watcher"


def test_the_slot_is_that_of_the_shipped_connector():
    """Comparisons ask it whether a change may still be on its way."""
    shipped = json.loads(debezium.CONNECTOR.read_text())

    assert config.load().reconcile.slot == shipped.get("config", shipped)["slot.name"]


@pytest.mark.parametrize("given", ["::1", "[::1]"])
def test_an_address_of_ipv6_is_taken_with_brackets_or_without(monkeypatch: pytest.MonkeyPatch, given: str):
    """In other settings it has them, and the drivers want it without."""
    monkeypatch.setenv("CRUCIBLE_CLICKHOUSE__HOST", given)
    monkeypatch.setenv("CRUCIBLE_API__HOST", given)
    settings = config.load()

    assert (settings.clickhouse.host, settings.api.host) == ("::1", "::1")


@pytest.mark.parametrize("given", ["a,b", " a , b ,", '["a", "b"]'])
def test_a_list_is_json_or_commas(monkeypatch: pytest.MonkeyPatch, given: str):
    """Both spellings that people try work."""
    monkeypatch.setenv("CRUCIBLE_KAFKA__TOPICS", given)

    assert config.load().kafka.topics == ("a", "b")


@pytest.mark.parametrize(
    ("variable", "given", "words"),
    [
        ("CRUCIBLE_KAFKA__TOPICS", '["a"', ("kafka.topics", "as JSON or separated by commas")),
        ("CRUCIBLE_KAFKA__TOPICS", "", ("kafka.topics", "at least 1 item")),
        ("CRUCIBLE_KAFKA__TOPICS", "^postgres.(", ("kafka.topics", "no regular expression")),
        ("CRUCIBLE_KAFKA__TOPICS", "crucible-watcher.dlq", ("dead_letters.topic", "kafka.topics")),
        ("CRUCIBLE_KAFKA__TOPICS", r"a,^crucible.*\..*", ("dead_letters.topic", r"'^crucible.*\\..*'", "kafka.topics")),
        ("CRUCIBLE_KAFKA__TOPICS", "^a|dlq", ("dead_letters.topic", "kafka.topics")),
        ("CRUCIBLE_KAFKA__HEARTBEAT_TOPIC", "crucible-watcher.dlq", ("dead_letters.topic", "kafka.heartbeat_topic")),
        ("CRUCIBLE_KAFKA__TOPICS", "a,bad name!", ("kafka.topics", "'bad name!'", "are allowed")),
        ("CRUCIBLE_KAFKA__TOPICS", r"^postgres\.(?!Foo).*", ("kafka.topics", "(?!Foo)", "does not know")),
        ("CRUCIBLE_DEAD_LETTERS__TOPIC", "bad name!", ("dead_letters.topic", "'bad name!'", "are allowed")),
        ("CRUCIBLE_KAFKA__HEARTBEAT_TOPIC", "^beat.*", ("kafka.heartbeat_topic", "'^beat.*'", "are allowed")),
        ("CRUCIBLE_DEAD_LETTERS__TOPIC", "", ("dead_letters.topic", "1 to 249")),
        ("CRUCIBLE_DEAD_LETTERS__TOPIC", "..", ("dead_letters.topic", "'..'")),
        ("CRUCIBLE_DEAD_LETTERS__TOPIC", "a" * 250, ("dead_letters.topic", "1 to 249")),
        ("CRUCIBLE_KAFKA__MAX_POLL_INTERVAL", "44", ("kafka", "max_poll_interval is given 44", "session_timeout (45)")),
        ("CRUCIBLE_KAFKA__SESSION_TIMEOUT", "3601", ("kafka.session_timeout", "'3601'", "3600")),
        ("CRUCIBLE_REGISTRY__URL", "", ("registry.url", "an empty value is not the default: unset it")),
        ("CRUCIBLE_LOG__LEVEL", "", ("log.level", "unset it")),
        ("CRUCIBLE_CLICKHOUSE__HOST", "http://ch", ("clickhouse.host", "'http://ch'", "without http://")),
        ("CRUCIBLE_CLICKHOUSE__HOST", "ch:8123", ("clickhouse.host", "'ch:8123'", "the port has a setting")),
        ("CRUCIBLE_CLICKHOUSE__HOST", "[::1]:8123", ("clickhouse.host", "the port has a setting")),
        ("CRUCIBLE_OPS__HOST", "", ("ops.host", "a name or an address")),
        ("CRUCIBLE_POSTGRES__DSN", "postgresql://a@h/d\npostgresql://b@h/d", ("postgres.dsn", "is allowed")),
        ("CRUCIBLE_KAFKA__SASL_MECHANISM", "GSSAPI", ("kafka.sasl_mechanism", "'GSSAPI'", "'SCRAM-SHA-512'")),
        ("CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS", "broker", ("kafka.bootstrap_servers", "'broker'")),
        ("CRUCIBLE_KAFKA__SESSION_TIMEOUT", "0", ("kafka.session_timeout", "'0'", "greater than 0")),
        (
            "CRUCIBLE_KAFKA__SECURITY_PROTOCOL",
            "SASL_SSL",
            ("kafka", "not set: sasl_mechanism, sasl_username, sasl_pass"),
        ),
        ("CRUCIBLE_KAFKA", "x", ("kafka", "JSON object")),
        ("CRUCIBLE_BATCH__MAX_ROWS", "many", ("batch.max_rows", "'many'", "integer")),
        ("CRUCIBLE_BATCH__MAX_PENDING_ROWS", "10", ("batch", "max_pending_rows", "100000")),
        ("CRUCIBLE_CLICKHOUSE__DEPLOYMENT", "cluster", ("clickhouse", "cluster's name")),
        ("CRUCIBLE_CLICKHOUSE__DEPLOYMENT", "moon", ("clickhouse.deployment", "'single', 'cluster' or 'cloud'")),
        ("CRUCIBLE_CLICKHOUSE__PORT", "0", ("clickhouse.port", "'0'", "greater than or equal to 1")),
        ("CRUCIBLE_REDIS__URL", "http://cache", ("redis.url", "(hidden)", "redis://")),
        ("CRUCIBLE_REDIS__URL", "redis://cache:many", ("redis.url", "(hidden)", "host[:port]")),
        ("CRUCIBLE_REDIS__URL", "redis://cache:6379/site", ("redis.url", "(hidden)", "number of the database")),
        ("CRUCIBLE_POSTGRES__DSN", "db", ("postgres.dsn", "(hidden)", "host=... dbname=...")),
        ("CRUCIBLE_POSTGRES__DSN", "mysql://db/site", ("postgres.dsn", "(hidden)", "postgresql://")),
        ("CRUCIBLE_POSTGRES__DSN", "postgresql://u:pw@db:many/site", ("postgres.dsn", "(hidden)", "host[:port]")),
        (
            "CRUCIBLE_CONNECT__URL",
            "http://u:pw@connect:8083",
            ("connect.url", "'http://***@connect:8083'", "without user"),
        ),
        ("CRUCIBLE_REGISTRY__URL", "registry:8080", ("registry.url", "'registry:8080'", "http://")),
        (
            "CRUCIBLE_POSTGRES__WATCHER_SCHEMA",
            "a; drop",
            ("postgres.watcher_schema", "'a; drop'", "allowed is: Schema for"),
        ),
        ("CRUCIBLE_API__IMAGE_URL", "/i/{url!s}", ("api.image_url", "'/i/{url!s}'", "written just so")),
        ("CRUCIBLE_API__IMAGE_URL", "/i/{id:>9}", ("api.image_url", "written just so")),
        ("CRUCIBLE_API__IMAGE_URL", "/i/{{url}}", ("api.image_url", "written just so")),
        ("CRUCIBLE_API__IMAGE_URL", "/i/{name}", ("api.image_url", "written just so")),
        ("CRUCIBLE_API__IMAGE_URL", "/i/url", ("api.image_url", "written just so")),
        ("CRUCIBLE_API__JWKS", "ftp://u:pw@k/j?k=3", ("api.jwks", "'ftp://***@k/j?k=***'", "beginning with https://")),
        ("CRUCIBLE_LOG__LEVEL", "loud", ("log.level", "'loud'", "'warning'")),
    ],
)
def test_a_wrong_value_is_one_line(monkeypatch: pytest.MonkeyPatch, variable: str, given: str, words: tuple[str, ...]):
    """The line names the key as files and as the environment spell it, what was given, and what is allowed."""
    monkeypatch.setenv(variable, given)

    (line,) = faults()
    assert [word for word in words if word not in line] == []
    if "__" in variable and line.startswith(words[0] + " ("):
        assert variable in line


@pytest.mark.parametrize(
    ("variable", "given"),
    [
        ("CRUCIBLE_REDIS__URL", "redis://default:p%2Fw@[::1]:6379/2"),
        ("CRUCIBLE_REDIS__URL", "rediss://cache"),
        ("CRUCIBLE_REDIS__URL", "unix:///run/redis.sock?db=1"),
        ("CRUCIBLE_POSTGRES__DSN", "postgresql://u:p@w@db-1:5432,[::1]:5433,db-3/site?sslmode=require"),
        ("CRUCIBLE_POSTGRES__DSN", "postgres:///site?host=/run/postgresql"),
        ("CRUCIBLE_POSTGRES__DSN", "postgresql://%2Frun%2Fpostgresql/site"),
        ("CRUCIBLE_POSTGRES__DSN", "host = db password='a b'"),
    ],
)
def test_every_form_of_an_address_is_taken(monkeypatch: pytest.MonkeyPatch, variable: str, given: str):
    """What the drivers understand is not refused for want of imagination."""
    monkeypatch.setenv(variable, given)

    assert setting(variable) == given


def test_kafka_with_a_mechanism_wants_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch):
    """What is missing is named, an empty password too, and nothing is missed once all of it is there."""
    for name, value in (("SECURITY_PROTOCOL", "SASL_SSL"), ("SASL_MECHANISM", "PLAIN"), ("SASL_PASSWORD", "")):
        monkeypatch.setenv(f"CRUCIBLE_KAFKA__{name}", value)

    (line,) = faults()
    assert line.endswith("not set: sasl_username, sasl_password")

    monkeypatch.setenv("CRUCIBLE_KAFKA__SASL_USERNAME", "u")
    monkeypatch.setenv("CRUCIBLE_KAFKA__SASL_PASSWORD", "hunter2")
    assert config.load().kafka.client()["sasl.username"] == "u"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("KAFKA__TOPICS", r"^crucible\.public\..*,postgres.Crucible"),  # the letters' name only begins alike
        ("KAFKA__HEARTBEAT_TOPIC", ""),
        ("DEAD_LETTERS__TOPIC", "a" * 249),
    ],
)
def test_topics_that_can_be_used_are_taken(monkeypatch: pytest.MonkeyPatch, name: str, given: str):
    """An expression beside the letters, no heartbeat, the longest name."""
    monkeypatch.setenv(f"CRUCIBLE_{name}", given)

    assert setting(f"CRUCIBLE_{name}") == given


def test_brokers_that_keep_the_sessions_do_not_compare_them_with_polls(monkeypatch: pytest.MonkeyPatch):
    """With KIP-848 the client is not told the session's length, and takes a shorter interval."""
    monkeypatch.setenv("CRUCIBLE_KAFKA__GROUP_PROTOCOL", "consumer")
    monkeypatch.setenv("CRUCIBLE_KAFKA__MAX_POLL_INTERVAL", "10")

    assert config.load().kafka.max_poll_interval == 10


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("http://keys.example.com/jwks", False),
        ("http://127.0.0.1.example.com/jwks", False),
        ("http:///jwks", False),
        ("http://127.0.0.1:8080/jwks", True),
        ("http://[::1]/jwks", True),
        ("http://localhost/jwks", True),
        ("https://keys.example.com/jwks", True),
        ("keys.json", True),
    ],
)
def test_keys_come_safely(monkeypatch: pytest.MonkeyPatch, source: str, allowed: bool):
    """Whose keys are trusted is not told in the clear over a network."""
    monkeypatch.setenv("CRUCIBLE_API__JWKS", source)

    if allowed:
        assert config.load().api.jwks == source
    else:
        with pytest.raises(config.ConfigError, match="plain http://"):
            config.load()
