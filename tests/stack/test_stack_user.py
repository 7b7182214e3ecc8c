"""The stack runs for an ordinary user, without a home, as it does for root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stack import Stack, redis_binary
from stack.cache import cache_folder
from stack.postgres_binary import FOLDERS, PACKAGE, installed
from tests.stack.watching import REPOSITORY, provided

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; others are one already")

# It must be able to start itself again, as the leash does.
TRIAL = "import psycopg, stack, subprocess, sys; subprocess.run([sys.executable, '-V'])"
SCRIPT = """
import os, sys
from pathlib import Path
from stack import Stack
with Stack(Path(sys.argv[1]), ["postgres", "redis", "clickhouse"]) as stack:
    print(*sorted({os.stat(f"/proc/{part.pid}").st_uid for part in stack.parts}))
    print(stack.postgres.program().folder)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Give a folder of nobody's that nobody can reach: pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="crucible-test-"))
    who = pwd.getpwnam("nobody")
    with provided():
        redis = redis_binary.server()
    if redis.is_relative_to(cache_folder()):  # nothing is downloaded twice
        shutil.copytree(redis.parent, folder / "cache" / "redis" / redis.parent.name)
    # PostgreSQL's programs ask whether they may be run, and the right that is lent below does not count there.
    wheel = installed(max(FOLDERS)).parent
    for part in (wheel, wheel.with_name(f"{PACKAGE}.libs")):
        shutil.copytree(part, folder / "wheel" / part.name)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, who.pw_uid, who.pw_gid)
    yield folder
    shutil.rmtree(folder)


def become(account: str) -> list[str]:
    """Return a command that goes on as an account, without any right but to read root's interpreter and clone."""
    who = pwd.getpwnam(account)
    base = ["setpriv", "--reuid", str(who.pw_uid), "--regid", str(who.pw_gid), "--clear-groups"]
    for lent in ([], ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]):
        with suppress(OSError):
            trial = [
                *base,
                *lent,
                sys.executable,
                "-c",
                f"import psycopg, subprocess as s; s.run([{sys.executable!r}, '-V'])",
            ]
            if subprocess.run(trial, cwd=REPOSITORY, capture_output=True, check=False).returncode == 0:
                return [*base, *lent]
    pytest.skip(f"{account} cannot run {sys.executable} here, with setpriv or without")


def test_an_ordinary_user_without_a_home(reachable: Path) -> None:
    """All parts run as that user, in the given folder, and the folder is gone afterwards."""
    done = subprocess.run(
        [*become("nobody"), sys.executable, "-c", SCRIPT, str(reachable / "stack")],
        cwd=REPOSITORY,
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "CRUCIBLE_CACHE": str(reachable / "cache"),
            "PYTHONPATH": str(reachable / "wheel"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(pwd.getpwnam("nobody").pw_uid), str(reachable / "stack" / "postgres")]
    assert not (reachable / "stack").exists()


def test_root_s_postgres_leaves_nothing_behind(tmp_path: Path) -> None:
    """The folder that another user needed is removed, and no account was made for it."""
    accounts = Path("/etc/passwd").read_bytes()
    with provided(), Stack(tmp_path / "stack", ["postgres"]) as stack:
        home = stack.postgres.program().folder
        assert home.exists()

    assert not home.exists()
    assert Path("/etc/passwd").read_bytes() == accounts
