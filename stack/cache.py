"""Where downloaded parts are kept, and how a file gets there: whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from stack.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent


def cache_folder() -> Path:
    """Return the folder that outlives a stack: ``$CRUCIBLE_CACHE``, else the user's cache, else ``.stack/cache`` here.

    A folder that was named must be usable; one that was merely guessed (no home, a read-only home) is passed over.

    Raises:
        Unavailable: no candidate can be written.

    """
    named = os.environ.get("CRUCIBLE_CACHE")
    if named:
        folder = Path(named).expanduser().absolute()
        if not _usable(folder):
            raise Unavailable("cache", f"CRUCIBLE_CACHE is {folder}, which cannot be written; name another folder")
        return folder
    candidates = [*_users(), PROJECT / ".stack" / "cache"]
    for folder in candidates:
        if _usable(folder):
            return folder
    tried = ", ".join(str(folder) for folder in candidates)
    raise Unavailable("cache", f"none of {tried} can be written; set CRUCIBLE_CACHE to a folder that can")


def _users() -> Iterator[Path]:
    """Yield this project's folder among the user's caches, if the user has a place for them."""
    try:
        folder = user_cache_path("crucible", appauthor=False)
    except RuntimeError:  # no HOME and no passwd entry
        return
    caches = folder.parent
    # A home that is not there is not ours to make: it would appear as `/nonexistent` or over an unmounted volume.
    if caches.is_dir() or (caches.parent.is_dir() and caches.parent != Path("/")):
        yield folder


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock on filling one shelf of the cache; a second process waits and then finds it filled."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        print(f"stack: waiting for another process that is fetching {what}", file=sys.stderr, flush=True)
        held = lock.acquire()
    with held:
        for stale in folder.glob("**/.arriving-*"):  # of a process that was killed: a live one would hold the lock
            shutil.rmtree(stale, ignore_errors=True)
        yield


@contextmanager
def arriving(target: Path) -> Iterator[Path]:
    """Give a scratch folder beside ``target``; what the block leaves at ``scratch / target.name`` is moved into place.

    The move is one rename after an fsync, so that a reader sees nothing or all of it, whenever the power goes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".arriving-", dir=target.parent))
    try:
        yield scratch
        arrived = scratch / target.name
        _sync(arrived)
        arrived.rename(target)
        _fsync(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sync(path: Path) -> None:
    for inner in path.rglob("*") if path.is_dir() else ():
        if inner.is_file() and not inner.is_symlink():
            _fsync(inner)
    _fsync(path)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
