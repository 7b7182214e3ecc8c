"""Runs the checks of every link from PostgreSQL to the sinks. Nothing is changed.

One fault does not hide the next: each check stands alone, and a neighbour that is away is one finding instead of one
for each of its checks.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import msgspec

from watcher.admin.doctor.findings import Finding, fail
from watcher.telemetry.redaction import describe, redact

NeighbourT = TypeVar("NeighbourT")

Check = Callable[[NeighbourT], Iterable[Finding]]


def examine(
    name: str,
    open_neighbour: Callable[[], NeighbourT],
    checks: Iterable[Check[NeighbourT]],
    advice: str,
    because: tuple[str, ...] = (),
) -> Iterator[Finding]:
    """Yield what the checks of one neighbour find.

    Args:
        name: the neighbour.
        open_neighbour: makes the client; raises when there is no answer.
        checks: run in order, each with the client. One that raises is a finding, and the next is run.
        advice: what to do when there is no answer.
        because: faults of others with which it answers a check badly or not at all.
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
            findings = [fail(".".join(dict.fromkeys((name, _named(check)))), describe(error), advice, because)]
        for finding in findings:
            yield msgspec.structs.replace(finding, found=redact(finding.found))


def _named(check: Check[NeighbourT]) -> str:
    """Return the name of a check's function, which may have arguments bound to it."""
    function = check.func if isinstance(check, partial) else check
    return str(getattr(function, "__name__", "check"))
