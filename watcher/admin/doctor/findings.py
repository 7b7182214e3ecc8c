"""What a check of the doctor answers: what it found and, if that is wrong, what to do."""

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


def ok(name: str, found: str) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(name, Level.OK, found)


def warn(name: str, found: str, advice: str) -> Finding:
    """Return a finding of something that works, and could be safer or will go wrong."""
    return Finding(name, Level.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(name, Level.FAIL, found, advice)


def judged(name: str, good: bool, found: str, advice: str) -> Finding:
    """Return a finding without advice where it is good, else a failure with it."""
    return ok(name, found) if good else fail(name, found, advice)
