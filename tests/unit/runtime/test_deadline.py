"""A deadline is one moment, whoever looks at it."""

import math

from watcher.runtime.deadline import Deadline


def test_what_remains_shrinks_with_the_clock_and_stops_at_nothing() -> None:
    """Whoever comes late has nothing left, and never less than nothing."""
    now = 100.0
    deadline = Deadline.after(5.0, lambda: now)
    seen = []
    for at in (100.0, 103.5, 105.0, 200.0):
        now = at
        seen.append((deadline.remaining(), deadline.expired))

    assert seen == [(5.0, False), (1.5, False), (0.0, True), (0.0, True)]


def test_one_that_never_comes() -> None:
    """For whoever is waited for however long it takes."""
    assert Deadline.never().remaining() == math.inf
    assert not Deadline.never().expired
