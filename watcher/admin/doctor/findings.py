"""Examines every link from PostgreSQL to the sinks. A check says what it found and, if that is wrong, what to do.

Nothing is changed, and one fault does not hide the next: each check stands alone, and a neighbour that is away is one
finding instead of one for each of its checks.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from typing import TypeVar

import msgspec

from watcher.telemetry.redaction import describe, redact

NeighbourT = TypeVar("NeighbourT")


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, and something will go wrong or is slower or less safe than it could be."""
    FAIL = "fail"
    """Changes are not followed, or a promise does not hold."""


class Finding(msgspec.Struct, frozen=True):
    """What a check found."""

    name: str
    level: Level
    found: str
    advice: str = ""
    """What to do, empty when nothing is to be done."""


def ok(name: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(name, Level.OK, found)


def warn(name: str, found: str, advice: str) -> Finding:
    """It works, but."""
    return Finding(name, Level.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(name, Level.FAIL, found, advice)


def judged(name: str, good: bool, found: str, advice: str) -> Finding:
    """Good as it should be, else a failure with its advice."""
    return ok(name, found) if good else fail(name, found, advice)


Check = Callable[[NeighbourT], Iterable[Finding]]


def examine(
    name: str, open_neighbour: Callable[[], NeighbourT], checks: Iterable[Check[NeighbourT]], advice: str
) -> Iterator[Finding]:
    """Run the checks of one neighbour.

    Args:
        name: the neighbour.
        open_neighbour: makes the client; raises when there is no answer.
        checks: run in order, each with the client. One that raises is a finding, and the next is run.
        advice: what to do when there is no answer.
    """
    try:
        neighbour = open_neighbour()
    except Exception as error:  # noqa: BLE001 - clients fail in their own ways, and that is the finding
        yield fail(name, describe(error), advice)
        return
    for check in checks:
        try:
            findings = list(check(neighbour))
        except Exception as error:  # noqa: BLE001
            findings = [fail(".".join(dict.fromkeys((name, _named(check)))), describe(error), advice)]
        for finding in findings:
            yield msgspec.structs.replace(finding, found=redact(finding.found))


def _named(check: Check[NeighbourT]) -> str:
    """The name of a check's function, which may have arguments bound to it."""
    function = check.func if isinstance(check, partial) else check
    return str(getattr(function, "__name__", "check"))
