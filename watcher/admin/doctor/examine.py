"""Runs the checks of every link from PostgreSQL to the sinks. Nothing is changed.

One fault does not hide the next: each check stands alone, and a neighbour that is away is one finding instead of one
for each of its checks. So is one that ends the connection, or says the same to several checks.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec

from watcher.admin.doctor.findings import Finding, fail
from watcher.model.words import counted
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
        open_neighbour: makes the client; raises when there is no answer. Of one that has ``is_open``, and that a check
            has left without a connection, nothing more is asked: it would say so once for each check.
        checks: run in order, each with the client. One that raises is a finding, and the next is run; one that raises
            what another has raised before follows from that.
        advice: what to do when there is no answer.
        because: faults of others with which it answers a check badly or not at all.
    """
    try:
        neighbour = open_neighbour()
    except Exception as error:  # noqa: BLE001 - clients fail in their own ways, and that is the finding
        yield fail(name, describe(error), advice)
        return
    left, raised = list(checks), dict[str, str]()
    while left:
        check = left.pop(0)
        try:
            findings = list(check(neighbour))
        except Exception as error:  # noqa: BLE001
            checked, words = ".".join(dict.fromkeys((name, _named(check)))), describe(error)
            before = raised.setdefault(words, checked)
            unmade = 0 if getattr(neighbour, "is_open", True) else len(left)
            if unmade:
                left.clear()
                words += f"; the connection is gone, and with it {counted(unmade, 'other check')} of {name}"
            findings = [fail(checked, words, advice, because if before == checked else (before,))]
        for finding in findings:
            yield msgspec.structs.replace(finding, found=redact(finding.found))


def _named(check: Check[Any]) -> str:
    """Return the name of a check's function, which may have arguments bound to it."""
    function = check.func if isinstance(check, partial) else check
    return str(getattr(function, "__name__", "check"))
