"""Where downloads are kept, and that they arrive whole."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from stack import cache
from stack.unavailable import Unavailable

HERE = "CRUCIBLE_CACHE"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start from an environment that says nothing, in a project of its own."""
    for name in (HERE, "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache, "PROJECT", tmp_path / "project")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # nobody has a home


def test_a_named_folder_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """CRUCIBLE_CACHE comes first."""
    monkeypatch.setenv(HERE, str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))

    assert cache.cache_folder() == tmp_path / "named"


def test_a_named_folder_must_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A named folder that cannot be written is an error that names it, not a reason to look elsewhere."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(HERE, str(tmp_path / "file" / "below"))

    with pytest.raises(Unavailable, match=r"CRUCIBLE_CACHE is .*below"):
        cache.cache_folder()


def test_the_user_s_cache_comes_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME, where it is absolute; a relative one is ignored."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "crucible"

    monkeypatch.setenv("XDG_CACHE_HOME", "xdg")
    assert cache.cache_folder() == tmp_path / "project" / ".stack" / "cache"


@pytest.mark.parametrize("home", ["/nonexistent", "/proc", "/"])
def test_a_home_that_will_not_do_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str) -> None:
    """Absent, read-only or the root folder: the project's own folder is used."""
    monkeypatch.setenv("HOME", home)

    assert cache.cache_folder() == tmp_path / "project" / ".stack" / "cache"
    assert not Path("/nonexistent").exists()


def test_an_empty_home_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home without a .cache gets one."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache.cache_folder() == tmp_path / ".cache" / "crucible"


def test_no_folder_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error says what was tried and which variable helps."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cache, "PROJECT", tmp_path / "file")

    with pytest.raises(Unavailable, match=r"file/.stack/cache.*CRUCIBLE_CACHE"):
        cache.cache_folder()


def test_half_a_file_never_arrives(tmp_path: Path) -> None:
    """When the block fails, neither the target nor a scratch folder is left."""
    target = tmp_path / "shelf" / "thing.jar"

    with pytest.raises(OSError, match="line cut"), cache.arriving(target) as scratch:  # noqa: PT012  # two steps
        (scratch / "thing.jar").write_bytes(b"half")
        raise OSError("line cut")

    assert list(target.parent.iterdir()) == []


def test_a_whole_file_arrives(tmp_path: Path) -> None:
    """What the block leaves in the scratch folder is then in place, and the scratch folder is gone."""
    target = tmp_path / "shelf" / "thing.jar"

    with cache.arriving(target) as scratch:
        (scratch / "thing.jar").write_bytes(b"whole")
        assert not target.exists()

    assert [entry.read_bytes() for entry in target.parent.iterdir()] == [b"whole"]


def test_one_at_a_time(tmp_path: Path) -> None:
    """While one fills a shelf, the lock cannot be had; afterwards it can."""
    lock = FileLock(tmp_path / ".lock", blocking=False)
    with cache.only_one(tmp_path, "things"), pytest.raises(Timeout):
        lock.acquire()

    with lock:
        pass
