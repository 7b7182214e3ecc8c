"""A wrong setting is one line that names the key, what was given and what is allowed; nothing wrong passes silently."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

import config
import debezium

Give = Callable[..., None]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours comes from whoever runs the tests."""
    for name in [name for name in os.environ if name.upper().startswith("CRUCIBLE_")]:
        monkeypatch.delenv(name)


def faults() -> list[str]:
    """The lines of the error that loading ends in."""
    with pytest.raises(config.ConfigError) as raised:
        config.load()
    return str(raised.value).splitlines()


def setting(variable: str) -> str:
    """Return what is loaded of a variable, as it was written."""
    group, _, name = variable.removeprefix("CRUCIBLE_").lower().partition("__")
    loaded = getattr(getattr(config.load(), group), name)
    if isinstance(loaded, tuple):
        return ",".join(loaded)
    return str(loaded.get_secret_value() if isinstance(loaded, SecretStr) else loaded)


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


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("CRUCIBLE_KAFKA__GRUOP", "did you mean CRUCIBLE_KAFKA__GROUP?"),
        ("crucible_kafka__gruop", "did you mean CRUCIBLE_KAFKA__GROUP?"),
        ("CRUCIBLE_KAFKA_GROUP", "did you mean CRUCIBLE_KAFKA__GROUP?"),
        ("CRUCIBLE_NONSENSE", "`crucible config schema` lists all"),
    ],
)
def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, hint: str):
    """A typo must not leave a default in force; its value, which may be a secret, is not repeated."""
    monkeypatch.setenv(variable, "hunter2")

    (line,) = faults()
    assert (line.startswith(variable), hint in line, "hunter2" in line) == (True, True, False)


def test_variables_for_others_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch):
    """Connector files refer to CRUCIBLE_DEBEZIUM_*; tools have variables of their own."""
    for name in ("CRUCIBLE_DEBEZIUM_PASSWORD", "CRUCIBLE_FAILPOINT", "CRUCIBLE_CACHE", "HOME_CRUCIBLE_X"):
        monkeypatch.setenv(name, "x")

    assert config.load()


def links(service: str) -> dict[str, str]:
    """What Kubernetes sets in every container for a service with a named and an unnamed port."""
    name = service.upper().replace("-", "_")
    return {
        f"{name}_SERVICE_HOST": "10.96.3.7",
        f"{name}_SERVICE_PORT": "8080",
        f"{name}_SERVICE_PORT_HTTP": "8080",
        f"{name}_SERVICE_PORT_VOTES_2": "9090",
        f"{name}_PORT": "tcp://10.96.3.7:8080",
        f"{name}_PORT_8080_TCP": "tcp://[fd00::7]:8080",
        f"{name}_PORT_8080_TCP_PROTO": "tcp",
        f"{name}_PORT_8080_TCP_PORT": "8080",
        f"{name}_PORT_8080_TCP_ADDR": "10.96.3.7",
        f"{name}_PORT_53_UDP": "udp://10.96.3.7:53",
    }


@pytest.mark.parametrize(
    "service", ["crucible", "crucible-api", "crucible-kafka", "crucible-ops", "crucible-api--canary", "crucible--x"]
)
def test_services_of_the_namespace_are_no_settings(monkeypatch: pytest.MonkeyPatch, service: str):
    """Whatever a service is called, no pod stops for what is told of it, and nothing of it is taken for a setting."""
    for name, value in links(service).items():
        monkeypatch.setenv(name, value)

    assert [one for one in config.show(config.load()) if one.origin != "default"] == []


@pytest.mark.parametrize(
    ("variable", "given"),
    [("CRUCIBLE_API_PORT", "8080"), ("CRUCIBLE_OPS_HOST", "::"), ("CRUCIBLE_KAFKA_SERVICE", "x")],
)
def test_a_setting_is_misspelt_beside_a_service(monkeypatch: pytest.MonkeyPatch, variable: str, given: str):
    """What is a typo is told of, also where services of like names are."""
    for name, value in {**links("crucible-api"), variable: given}.items():
        monkeypatch.setenv(name, value)

    (line,) = faults()
    assert line.startswith(f"{variable}: no setting has this name")


def test_the_file_is_read_and_its_faults_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """An unknown key or group, a value out of range, a bare value at the top: a line each, with the file."""
    file = tmp_path / "crucible.toml"
    file.write_text('top = 1\n[kafka]\ngruop = "x"\nsession_timeout = -1\n[kafak]\ngroup = "x"\n')
    monkeypatch.setenv("CRUCIBLE_CONFIG", str(file))

    lines = faults()

    starts = sorted(line.split(" ")[0].rstrip(":") for line in lines)
    assert starts == ["kafak", "kafka.gruop", "kafka.session_timeout", "top"]
    assert sum(str(file) in line for line in lines) >= 3
    assert any("did you mean kafka.group?" in line for line in lines)


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "No such file"), (b"[kafka", "is not TOML"), (b"\xff\xfe", "is not TOML")]
)
def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, expected: str
):
    """A missing or broken file must not leave the defaults in force."""
    file = tmp_path / "crucible.toml"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("CRUCIBLE_CONFIG", str(file))

    (line,) = faults()
    assert line.startswith("CRUCIBLE_CONFIG")
    assert expected in line


def test_secrets_are_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """One file a key, its last newline taken away, as Kubernetes mounts them: links to a link, others' files."""
    shared = {
        "tls.crt": b"\xff\xfe", "ca.crt": b"-----BEGIN", "username": b"u", "password": b"p", "site__api_key": b"k",
        "README.md": b"-", ".dockerconfigjson": b"{}",
    }  # fmt: skip
    version = tmp_path / "..2026_11_30_02_20_00.1234"
    version.mkdir()
    (tmp_path / "..data").symlink_to(version.name)
    for name, content in {"kafka__sasl_password": b"hunter2\n", **shared}.items():
        (version / name).write_bytes(content)
        (tmp_path / name).symlink_to(f"..data/{name}")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "gone").symlink_to("..data/gone")
    monkeypatch.setenv("CRUCIBLE_SECRETS_DIR", str(tmp_path))

    password = config.load().kafka.sasl_password
    assert password is not None
    assert password.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("kafka__sasl_pasword", "did you mean kafka__sasl_password?"),
        ("kafka.sasl_password", "did you mean kafka__sasl_password?"),
        ("CRUCIBLE_KAFKA__SASL_PASSWORD", "did you mean kafka__sasl_password?"),
        ("postgres-dsn", "did you mean postgres__dsn?"),
        ("api__whatever", "`crucible config schema` lists all"),
    ],
)
def test_a_misspelt_secret_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, hint: str):
    """It would otherwise be an empty password."""
    (tmp_path / name).write_text("hunter2")
    (tmp_path / "tls.key").write_text("hunter2")
    monkeypatch.setenv("CRUCIBLE_SECRETS_DIR", str(tmp_path))

    (line,) = faults()
    assert hint in line
    assert "hunter2" not in line


@pytest.mark.parametrize("written", [b"hunter2", b"hunter2\n", b"hunter2\r\n", b"\xef\xbb\xbfhunter2\r\n"])
def test_a_secret_is_what_a_person_sees_in_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: bytes):
    """No break of its only line, nor the mark with which some editors begin a file: the server would refuse those."""
    (tmp_path / "clickhouse__password").write_bytes(written)
    monkeypatch.setenv("CRUCIBLE_SECRETS_DIR", str(tmp_path))

    assert config.load().clickhouse.password.get_secret_value() == "hunter2"


@pytest.mark.parametrize("broken", ["\n", "\r\n"])
def test_a_variable_ends_before_its_line_break(monkeypatch: pytest.MonkeyPatch, broken: str):
    """One that is taken from a secret made with ``echo`` has it."""
    monkeypatch.setenv("CRUCIBLE_CLICKHOUSE__PASSWORD", f"hunter2{broken}")
    monkeypatch.setenv("CRUCIBLE_KAFKA__GROUP", f"mine{broken}")
    settings = config.load()

    assert (settings.clickhouse.password.get_secret_value(), settings.kafka.group) == ("hunter2", "mine")


def test_a_file_of_settings_may_begin_with_a_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Nobody sees it, and TOML knows none."""
    (tmp_path / "crucible.toml").write_bytes(b'\xef\xbb\xbf[kafka]\r\ngroup = "mine"\r\n')
    monkeypatch.setenv("CRUCIBLE_CONFIG", str(tmp_path / "crucible.toml"))

    assert config.load().kafka.group == "mine"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda path: path.write_bytes(b"a\0"), "has a byte 0, which no setting has"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.symlink_to("..data/gone"), "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"\xff"), "is not text in UTF-8"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: Callable[[Path], object], said: str
):
    """By its own name, and the others are read all the same."""
    made(tmp_path / "registry__password")
    (tmp_path / "kafka__sasl_mechanism").write_text("none")
    monkeypatch.setenv("CRUCIBLE_SECRETS_DIR", str(tmp_path))

    assert [line.split(" ", 1)[-1] if "registry" in line else line.split(" ")[0] for line in faults()] == [
        said,
        "kafka.sasl_mechanism",
    ]


def test_a_secrets_directory_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A mount that failed must not start the program without passwords."""
    monkeypatch.setenv("CRUCIBLE_SECRETS_DIR", str(tmp_path / "missing"))

    (line,) = faults()
    assert line.startswith("CRUCIBLE_SECRETS_DIR")


@pytest.mark.parametrize("variable", ["CRUCIBLE_CONFIG", "CRUCIBLE_SECRETS_DIR"])
def test_an_empty_path_is_not_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str):
    """Whatever lies there is not read as settings, and the one line says what is allowed."""
    (tmp_path / "kafka__group").write_text("theirs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "")

    (line,) = faults()
    assert line.startswith(f"{variable}: given '', the path of a ")


def test_the_stronger_source_wins_and_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Command line over environment over secrets over file over default; each setting says which it was."""
    file, secrets = tmp_path / "crucible.toml", tmp_path / "secrets"
    file.write_text(
        '[kafka]\ngroup = "file"\nheartbeat_topic = "file"\nsasl_username = "file"\nssl_ca_location = "file"\n'
    )
    secrets.mkdir()
    for name in ("sasl_username", "heartbeat_topic", "group"):
        (secrets / f"kafka__{name}").write_text("secret")
    for name, value in {
        "CRUCIBLE_CONFIG": str(file),
        "CRUCIBLE_SECRETS_DIR": str(secrets),
        "CRUCIBLE_KAFKA__HEARTBEAT_TOPIC": "environment",
        "CRUCIBLE_KAFKA__GROUP": "environment",
    }.items():
        monkeypatch.setenv(name, value)
    given = {"kafka": {"group": "line"}}

    settings = config.load(**given)

    shown = {one.key: (one.value, one.origin.split(" ")[0]) for one in config.show(settings, **given)}
    assert [shown[f"kafka.{name}"] for name in ("group", "heartbeat_topic", "sasl_username", "ssl_ca_location")] == [
        ("line", "command"),
        ("environment", "environment"),
        ("secret", "secrets"),
        ("file", "file"),
    ]
    assert shown["kafka.group_protocol"] == ("classic", "default")


def test_no_secret_is_ever_shown(monkeypatch: pytest.MonkeyPatch):
    """Neither in the table, nor in a repr, nor in the message about a fault beside it."""
    secrets = {
        "CRUCIBLE_REDIS__URL": "redis://:hunter2@cache",
        "CRUCIBLE_POSTGRES__DSN": "postgresql://u:hunter2@db",
        "CRUCIBLE_CLICKHOUSE__PASSWORD": "hunter2",
        "CRUCIBLE_KAFKA__SASL_PASSWORD": "hunter2",
        "CRUCIBLE_REGISTRY__PASSWORD": "hunter2",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    assert "hunter2" not in repr(config.load())
    monkeypatch.setenv("CRUCIBLE_REGISTRY__URL", "http://registry/apis?key=hunter2")
    monkeypatch.setenv("CRUCIBLE_API__JWKS", "https://keys.example.com/jwks?hunter2")

    shown = {one.key: one.value for one in config.show(config.load())}

    assert "hunter2" not in f"{shown}"
    assert shown["redis.url"] == "(hidden)"
    assert shown["api.jwks"] == "https://keys.example.com/jwks?***"
    monkeypatch.setenv("CRUCIBLE_CLICKHOUSE__DEPLOYMENT", "cluster")
    monkeypatch.setenv("CRUCIBLE_REDIS__URL", "hunter2")
    monkeypatch.setenv("CRUCIBLE_CONNECT__URL", "http://u:hunter2@connect")
    assert "hunter2" not in "".join(faults())
