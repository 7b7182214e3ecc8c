"""How tests wait: for a condition, never for a time."""

import time
from collections.abc import Callable

import pytest

PATIENCE_SECONDS = 60.0
"""More than anything takes on a machine that has much else to do; nothing waits so long where all is well."""
LOOK_SECONDS, LAST_LOOK_SECONDS = 0.02, 0.1
"""Between two looks, at first and in the end: a look asks real parts, and costs them and us."""


def await_that(
    holds: Callable[[], bool], what: str, timeout: float = PATIENCE_SECONDS, told: Callable[[], str] = str
) -> None:
    """Look until it holds; fail with its name, and with what ``told`` says."""
    until, pause = time.monotonic() + timeout, LOOK_SECONDS
    while not holds():
        if time.monotonic() > until:
            pytest.fail(f"{what}: not within {timeout:g} s. {told()}")
        time.sleep(pause)
        pause = min(pause * 1.2, LAST_LOOK_SECONDS)
