"""Settings and secrets from files: each is read as a person sees it, faults are named, and the stronger source wins."""

from collections.abc import Callable
from pathlib import Path

import pytest

import config
from tests.unit.config.loading import faults


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
        "README.md": b"-", ".dockerconfigjson": b"{}", ".kafka__group.swp": b"\0",
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
        ("crucible.log.level", "did you mean log__level?"),
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
