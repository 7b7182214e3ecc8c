"""A bucket that fails waits on its own."""

import time
from collections import Counter

import pytest

from watcher.model.errors import RefusedError, SinkDisagreesError, TemporaryError
from watcher.redis.keys import BUCKETS
from watcher.runtime.worker import Worker
from watcher.votes import drainer
from watcher.votes.drainer import Drainer


class Passes:
    """Buckets, some of which fail."""

    def __init__(self, faults: dict[int, Exception]) -> None:
        self.max_votes, self.faults = 100, faults
        self.oldest: dict[int, int] = {}
        self.turns: Counter[int] = Counter()
        self.silent: set[int] | None = set()
        """Buckets without votes; None if nobody answers."""

    def quiet(self) -> set[int]:
        if self.silent is None:
            raise TemporaryError("away")
        return self.silent

    def turn(self, bucket: int) -> int:
        self.turns[bucket] += 1
        if bucket in self.faults:
            raise self.faults[bucket]
        return 1


class Heard:
    """What was told."""

    def __init__(self) -> None:
        self.waited: list[int | None] = []
        self.errors: list[object] = []

    def drained(self, *_: object) -> None:
        raise AssertionError

    def waiting(self, oldest_ms: int | None) -> None:
        self.waited.append(oldest_ms)

    def away(self, error: TemporaryError) -> None:
        self.errors.append(str(error))

    def parked(self, bucket: int, error: str) -> None:
        self.errors.append((bucket, error))


def _drainer(passes: Passes, heard: Heard) -> Drainer:
    return Drainer(passes, heard, 0.25)


@pytest.mark.parametrize(
    ("fault", "told"), [(TemporaryError("away"), "away"), (SinkDisagreesError("a view lacks"), (0, "a view lacks"))]
)
def test_the_buckets_behind_one_that_fails_are_drained(fault: Exception, told: object) -> None:
    """The first one is told and left for a while; each round is told, with what may wait in it."""
    before = time.time_ns() // 1_000_000
    passes, heard = Passes({0: fault}), Heard()
    one = _drainer(passes, heard)
    for _ in range(3):
        one.round()

    assert [passes.turns[bucket] for bucket in range(BUCKETS)] == [1] + [3] * (BUCKETS - 1)
    assert heard.errors == [told]
    assert len(heard.waited) == 3
    assert all(oldest is not None and before <= oldest <= time.time_ns() // 1_000_000 for oldest in heard.waited)


def test_a_refusal_is_known_until_a_pass_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds go on, so no turn fails by it; readiness and the alert would know of nothing."""
    passes, now = Passes({0: RefusedError("clickhouse: ACCESS_DENIED")}), [1.0]
    monkeypatch.setattr(drainer.time, "monotonic", lambda: now[0])
    one = _drainer(passes, Heard())
    worker = Worker("drain", one, lambda _: None)
    seen = []
    for fault in (passes.faults[0], TemporaryError("away"), passes.faults[0], None):
        passes.faults = {0: fault} if fault else {}
        one.round()
        seen.append(str(worker.refused))
        now[0] += drainer.BUCKET_AWAY.longest_seconds

    assert seen == ["clickhouse: ACCESS_DENIED", "None", "clickhouse: ACCESS_DENIED", "None"]


def test_a_bucket_that_has_waited_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it goes well, nothing waits."""
    monkeypatch.setattr(drainer, "PARKED_SECONDS", 0.0)
    passes, heard = Passes({3: SinkDisagreesError("a view lacks")}), Heard()
    one = _drainer(passes, heard)
    one.round()
    passes.faults.clear()
    one.round()

    assert passes.turns[3] == 2
    assert heard.waited[0] is not None
    assert heard.waited[1] is None


@pytest.mark.parametrize(("silent", "turns"), [({0, 2}, 0), (None, 1)])
def test_a_bucket_without_votes_has_no_pass_of_its_own(silent: set[int] | None, turns: int) -> None:
    """Unless nobody can say which those are."""
    passes = Passes({})
    passes.silent = silent
    _drainer(passes, Heard()).round()

    assert [passes.turns[bucket] for bucket in range(4)] == [turns, 1, turns, 1]


def test_what_no_waiting_mends_ends_the_round() -> None:
    """The control: any other error is not swallowed."""
    with pytest.raises(ValueError, match="no vote"):
        _drainer(Passes({2: ValueError("no vote")}), Heard()).round()


class Clock:
    """Time in which a pass takes half a second."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)


@pytest.mark.parametrize(
    ("votes", "rest"),
    [
        (1, 0.25),
        (drainer.CALM_VOTES, 0.25),
        (drainer.CALM_VOTES + 1, drainer.REST_SHARE * 0.5),
        (1_000, 0),
    ],
    ids=["calm", "the most that is calm", "many", "a full plan"],
)
def test_rest_after_a_round(votes: int, rest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In calm as short as may be; after many votes longer than the round took; none where more is waiting."""
    clock, passes = Clock(), Passes({})
    passes.max_votes, passes.silent = 1_000, set(range(1, BUCKETS))

    def turn(_: int) -> int:
        clock.now += 0.5
        return votes

    monkeypatch.setattr(drainer, "time", clock)
    monkeypatch.setattr(passes, "turn", turn)

    assert _drainer(passes, Heard()).turn() == rest


def test_whoever_has_nothing_to_say_says_so_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """And at once after votes have waited: the metric of how old they are must fall as soon as it may."""
    clock, passes, heard = Clock(), Passes({}), Heard()
    passes.silent = set(range(BUCKETS))
    monkeypatch.setattr(drainer, "time", clock)
    one = _drainer(passes, heard)
    said = []
    for at, oldest in ((0.0, {}), (0.25, {}), (0.75, {}), (1.0, {}), (1.25, {1: 7}), (1.5, {1: 7}), (1.75, {})):
        clock.now, passes.oldest = at, oldest
        one.round()
        said.append(len(heard.waited))

    assert said == [1, 1, 1, 2, 3, 4, 5]
    assert heard.waited == [None, None, 7, 7, None]


def test_a_round_ends_early_when_it_is_to_stop() -> None:
    """What it has not drained stays in Redis."""
    passes = Passes({})
    one = _drainer(passes, Heard())
    passes.turn = lambda _: (one.signal.stop(), passes.turns.update([0]), 1)[-1]  # type: ignore[method-assign]
    one.round()

    assert passes.turns.total() == 1


def test_a_drain_that_finds_nothing_for_long_looks_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """And as often as before from the first vote on, also while those that there are cannot be drained."""
    passes = Passes({})
    passes.silent = set(range(BUCKETS))
    one = _drainer(passes, Heard())
    just_after_votes = one.turn()
    monkeypatch.setattr(drainer, "IDLE_AFTER_SECONDS", 0.0)

    rests = [one.turn(), Drainer(passes, Heard(), 5.0).turn()]
    monkeypatch.setattr(drainer, "IDLE_AFTER_SECONDS", 3600.0)
    passes.silent = set()

    assert just_after_votes == 0.25
    assert rests == [drainer.IDLE_REST_SECONDS, 5.0]
    assert one.turn() == 0.25
