"""How tests of the local topology wait and look."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from stack import Stack, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def provided() -> Iterator[None]:
    """Skip with the reason where a part cannot be had; where nothing may be skipped, fail with it."""
    try:
        yield
    except Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true and a part is missing: {error}")
        pytest.skip(str(error))


@contextmanager
def started(*parts: str) -> Iterator[Stack]:
    """Parts of the local stack that run until the block ends."""
    with provided():
        stack = Stack(parts=parts)
        stack.start()
    with closing(stack):
        yield stack


def lives(pid: int) -> bool:
    """Tell whether a process is there and not merely waiting to be reaped."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
