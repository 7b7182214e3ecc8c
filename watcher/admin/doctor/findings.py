"""What a check of the doctor answers: what it found and, if that is wrong, what to do."""

from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    """It works, and something will go wrong or is slower or less safe than it could be."""
    FAIL = "fail"
    """Changes are not followed, or a promise does not hold."""


class Finding(msgspec.Struct, frozen=True):
    """What a check found, and what to do about it."""

    name: str
    level: Level
    found: str
    advice: str = ""
    """What to do, empty when nothing is to be done."""
    because: tuple[str, ...] = ()
    """Faults that explain this one, where one of them is found."""
    fault: str = ""
    """What others call this fault when they are explained by it; empty: by its name."""
    follows_from: str = ""
    """Name of the finding that explains this one: nothing is to be done here but there."""


def ok(name: str, found: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(name, Level.OK, found)


def warn(name: str, found: str, advice: str, because: tuple[str, ...] = ()) -> Finding:
    """Return a finding of something that works, and could be safer or will go wrong."""
    return Finding(name, Level.WARN, found, advice, because)


def fail(name: str, found: str, advice: str, because: tuple[str, ...] = (), fault: str = "") -> Finding:
    """Return a finding of something that does not work."""
    return Finding(name, Level.FAIL, found, advice, because, fault)


def judged(name: str, good: bool, found: str, advice: str, because: tuple[str, ...] = ()) -> Finding:
    """Return a finding without advice where it is good, else a failure with it."""
    return ok(name, found) if good else fail(name, found, advice, because)


def explained(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings as they come; those that may follow from another one last, with its name where they do.

    One link that is broken makes others look broken, and whoever mends those first mends nothing.

    >>> found = [fail("stream", "nobody reads", "", ("task",)), fail("task", "paused", "resume it")]
    >>> [(one.name, one.follows_from) for one in explained(found)]
    [('task', ''), ('stream', 'task')]
    """
    roots, held = dict[str, str](), list[Finding]()
    for finding in findings:
        if finding.level is Level.FAIL:
            roots[finding.fault or finding.name] = finding.name
        if finding.because and finding.level is not Level.OK:
            held.append(finding)
        else:
            yield finding
    for finding in held:
        cause = next((roots[one] for one in finding.because if one in roots), "")
        yield msgspec.structs.replace(finding, follows_from=cause)
