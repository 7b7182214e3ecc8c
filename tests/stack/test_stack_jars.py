"""Java artifacts come by digest, once, and a broken download is taken up again."""

from __future__ import annotations

import hashlib
import io
import os
import ssl
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from certifi import where

from stack import jars
from stack.authorities import VARIABLES, trusted
from stack.unavailable import Unavailable
from tests.certificates import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("jgo", reason="the stack extra is not installed")


class Repository:
    """A Maven repository on loopback that notes what it is asked for."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args: object) -> None:
                super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

            def log_message(self, *_: object) -> None:
                if not self.path.endswith(".sha1"):
                    asked.append(self.path.rpartition("/")[2])

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'' if tls is None else 's'}://127.0.0.1:{self.server.server_port}"

    def put(self, coordinate: str, content: bytes) -> str:
        """Publish a file; return its digest."""
        artifact = jars.Artifact(coordinate, "")
        group, name, version, *_ = coordinate.split(":")
        path = self.folder / group.replace(".", "/") / name / version / artifact.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """Give a repository, with an empty cache and lock file beside it."""
    yield from serving(Repository(tmp_path / "repository"), tmp_path, monkeypatch)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Give a server's certificate of an authority that nobody knows, and that authority's file."""
    return certificate(tmp_path / "authorities")


@pytest.fixture
def private(
    authority: tuple[ssl.SSLContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Repository]:
    """Give a repository behind that authority; no variable names any."""
    for name in (*VARIABLES, "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for served in serving(Repository(tmp_path / "repository", authority[0]), tmp_path, monkeypatch):
        lock({"org.demo:a:1.0": served.put("org.demo:a:1.0", b"a")})
        yield served


def serving(served: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """Serve it until the test ends."""
    served.folder.mkdir()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("CRUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(jars, "REPOSITORIES", {"here": served.url})
    monkeypatch.setattr(jars, "LOCK", tmp_path / "jars.lock.toml")
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def lock(files: dict[str, str], group: str = "demo") -> None:
    """Write the lock file."""
    lines = "\n".join(f'"{coordinate}" = "{digest}"' for coordinate, digest in files.items())
    jars.LOCK.write_text(f"[{group}]\n{lines}\n")


def test_the_second_time_downloads_nothing(repository: Repository) -> None:
    """Files arrive with their content, in the lock's order; afterwards the repository is not asked again."""
    lock({f"org.demo:{name}:1.0": repository.put(f"org.demo:{name}:1.0", name.encode()) for name in ("b", "a")})

    assert [path.read_bytes() for path in jars.fetch("demo")] == [b"b", b"a"]
    first = sorted(repository.asked)
    jars.fetch("demo")

    assert first == sorted(repository.asked) == ["a-1.0.jar", "b-1.0.jar"]


def test_another_file_than_was_locked_is_refused(repository: Repository) -> None:
    """The error names the file and both digests, and nothing is kept."""
    given = repository.put("org.demo:a:1.0", b"altered")
    lock({"org.demo:a:1.0": "0" * 64})

    with pytest.raises(Unavailable, match=f"org.demo:a:1.0 has SHA-256 {given}, expected {'0' * 64}"):
        jars.fetch("demo")
    assert not jars.locked("demo")[0].path.exists()


def test_it_goes_on_where_it_was(repository: Repository) -> None:
    """After a failure only what is missing is asked for."""
    whole = repository.put("org.demo:a:1.0", b"a")
    late = hashlib.sha256(b"late").hexdigest()
    lock({"org.demo:a:1.0": whole, "org.demo:late:1.0": late})
    with pytest.raises(Unavailable, match="late"):
        jars.fetch("demo")
    repository.put("org.demo:late:1.0", b"late")
    repository.asked.clear()

    assert [path.read_bytes() for path in jars.fetch("demo")] == [b"a", b"late"]
    assert repository.asked == ["late-1.0.jar"]


def test_a_repository_that_is_not_there(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the part and the coordinate."""
    monkeypatch.setattr(jars, "REPOSITORIES", {"gone": "http://127.0.0.1:9"})
    lock({"org.demo:a:1.0": repository.put("org.demo:a:1.0", b"a")})

    with pytest.raises(Unavailable, match="could not be downloaded"):
        jars.fetch("demo")


@pytest.mark.parametrize("variable", [*VARIABLES, "SSL_CERT_DIR"])
def test_a_private_authority_that_is_named_is_trusted(
    private: Repository, authority: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """By any of the variables that pip and others read, and by lying in the system's folder; nothing stays set."""
    monkeypatch.setenv(variable, str(authority[1].parent if variable == "SSL_CERT_DIR" else authority[1]))
    before = os.environ.get("REQUESTS_CA_BUNDLE")

    assert [path.read_bytes() for path in jars.fetch("demo")] == [b"a"]
    assert os.environ.get("REQUESTS_CA_BUNDLE") == before


def test_a_private_authority_that_nobody_knows_is_told_of(private: Repository) -> None:
    """With the variable that helps."""
    with pytest.raises(Unavailable, match=r"org.demo:a:1.0 could not .*not known here: name .*SSL_CERT_FILE"):
        jars.fetch("demo")


def test_a_file_of_authorities_that_is_not_there_is_named(
    private: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the variable that names it."""
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "gone.pem"))

    with pytest.raises(Unavailable, match=r"PIP_CERT names .*gone.pem, which is not there"):
        jars.fetch("demo")


def test_the_public_authorities_stay_trusted() -> None:
    """Those that came with the library and the system's, each once."""
    with trusted({}) as authorities:
        known = ssl.create_default_context(cafile=str(authorities.file)).get_ca_certs(binary_form=True)

    assert set(ssl.create_default_context(cafile=where()).get_ca_certs(binary_form=True)) <= set(known)
    assert len(known) == len(set(known))


def test_an_archive_is_unpacked_once(repository: Repository) -> None:
    """A plugin's archive becomes a folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("plugin/inside.txt")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"hi"))
    coordinate = "org.demo:plugin:1.0:plugin:tar.gz"
    lock({coordinate: repository.put(coordinate, packed.getvalue())})

    folder = jars.unpack("demo")

    assert (folder / "plugin" / "inside.txt").read_text() == "hi"
    assert jars.unpack("demo") == folder
    assert repository.asked == ["plugin-1.0-plugin.tar.gz"]


def test_every_locked_artifact_has_a_digest() -> None:
    """The lock that ships names only full SHA-256 digests and pinned versions."""
    for group in ("kafka", "converter", "debezium", "registry"):
        locked = jars.locked(group)
        assert locked, group
        for artifact in locked:
            assert len(bytes.fromhex(artifact.sha256)) == 32, artifact
            assert not any(word in artifact.coordinate for word in ("SNAPSHOT", "LATEST", "RELEASE")), artifact
