"""A retry policy: what is waited, who is told, and what ends it."""

from collections.abc import Callable

import pytest

from watcher.model.errors import RefusedError, StopError, TemporaryError, UnfitError
from watcher.runtime.retry import SPREAD_SHARE, Retry, exactly, retry, spread, unfit


class Action:
    """Fails with these errors one after the other, then goes through."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def pauses(waited: list[float], last: int = 99) -> Callable[[float], bool]:
    """Notes each wait; the last one is cut short by the end of the process."""

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) == last

    return pause


def away(count: int) -> list[TemporaryError]:
    return [TemporaryError(f"away {number}") for number in range(count)]


@pytest.mark.parametrize(
    ("policy", "waits"),
    [
        (Retry(0.2, 5.0, jitter=exactly), [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]),  # 0.2 * 2**5 = 6.4, above the longest
        (Retry(1.0, 1.0, jitter=exactly), [1.0] * 7),
        (Retry(1.0, 100.0, factor=3.0, jitter=exactly), [1.0, 3.0, 9.0, 27.0, 81.0, 100.0, 100.0]),
        (Retry(1.0, 4.0, jitter=lambda seconds: seconds / 2), [0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]),
    ],
    ids=["doubling", "steady", "tripling", "with jitter"],
)
def test_waits_grow_to_the_longest(policy: Retry, waits: list[float]) -> None:
    """Each failure is told before its wait, and the result is the action's."""
    errors, waited, told = away(len(waits)), list[float](), list[TemporaryError]()

    assert retry(Action(*errors), policy, pauses(waited), told.append) == "done"
    assert waited == waits
    assert told == errors


def test_a_start_ends_with_what_is_not_as_it_has_to_be() -> None:
    """Who is away, or refuses what may be mended any time, is waited for; and a process that runs waits for all."""
    errors = [TemporaryError("away"), RefusedError("no password"), UnfitError("no right")]

    with pytest.raises(UnfitError, match="no right"):
        retry(Action(*errors), Retry(1.0, 1.0, give_up=unfit), pauses([]), list[TemporaryError]().append)
    assert retry(Action(*errors), Retry(1.0, 1.0), pauses([]), list[TemporaryError]().append) == "done"


def test_waits_stay_finite_however_long_it_takes() -> None:
    """A neighbour that is away for weeks is no overflow."""
    assert Retry(0.2, 5.0, jitter=exactly).wait_seconds(10_000_000) == 5.0


def test_the_end_of_the_process_ends_it() -> None:
    """During a wait: the last error says what it was about, and there is no further attempt."""
    errors, waited = away(5), list[float]()
    action = Action(*errors)

    with pytest.raises(TemporaryError, match="away 1"):
        retry(action, Retry(0.2, 5.0, jitter=exactly), pauses(waited, last=2), lambda _: None)
    assert (waited, action.errors) == ([0.2, 0.4], errors[2:])


def test_the_policy_gives_up_before_it_waits() -> None:
    """After as many attempts as it allows."""
    waited, told = list[float](), list[TemporaryError]()
    policy = Retry(0.2, 5.0, jitter=exactly, give_up=lambda attempts, _: attempts == 3)

    with pytest.raises(TemporaryError, match="away 2"):
        retry(Action(*away(5)), policy, pauses(waited), told.append)
    assert (waited, len(told)) == ([0.2, 0.4], 3)


def test_other_errors_are_not_tried_again() -> None:
    """The control: what waiting does not mend is raised at once, and nobody is told that it will be tried again."""
    told = list[TemporaryError]()
    with pytest.raises(StopError, match="for good"):
        retry(Action(StopError("for good")), Retry(0.2, 5.0), pauses([]), told.append)
    assert told == []


def test_chance_makes_waits_shorter_only() -> None:
    """By a quarter at most, and not always by the same."""
    waits = {spread(4.0) for _ in range(200)}

    assert 4.0 * (1 - SPREAD_SHARE) <= min(waits) < max(waits) <= 4.0
