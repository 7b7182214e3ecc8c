"""One round over many crucibles: none waits for another's failure, and finished ones are not asked about one by one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import redis

from tests.awaiting import await_that
from tests.votes.world import VoteWorld
from watcher.model.errors import RefusedError, SinkDisagreesError, TemporaryError
from watcher.recovery.sweep import MAX_FAILURES, Sweep
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.locked_crucible import lock_crucible


class _Verifier:
    """Fails where it is told to, and remembers what it was asked."""

    def __init__(self, failing: dict[int, Exception], finished: Sequence[int] = ()) -> None:
        self.failing, self.finished = failing, set(finished)
        self.seen: list[int] = []
        self.questions: list[list[int]] = []

    def verify(self, crucible_id: int) -> Comparison:
        """Note it, or fail."""
        self.seen.append(crucible_id)
        if crucible_id in self.failing:
            raise self.failing[crucible_id]
        return Comparison.VERIFIED

    def unfinished(self, crucible_ids: Sequence[int]) -> set[int]:
        """Note the question."""
        self.questions.append(list(crucible_ids))
        return set(crucible_ids) - self.finished


def test_a_failing_crucible_keeps_no_other_waiting(world: VoteWorld) -> None:
    """Whatever is wrong with the first ones, the others are compared, and in the next round before them."""
    verifier = _Verifier({1: SinkDisagreesError("it differs"), 2: RefusedError("no right")})
    sweep = Sweep(world.redis, verifier)
    with pytest.raises(RefusedError, match="1 crucible could not be compared; the last: no right"):
        sweep.verify(range(1, 6))
    assert verifier.seen == [1, 2, 3, 4, 5]
    verifier.failing.pop(2)
    sweep.verify(range(1, 6))

    assert verifier.seen[5:] == [3, 4, 5, 1, 2]


def test_a_neighbour_that_is_away_ends_the_round(world: VoteWorld) -> None:
    """Not every crucible waits for it; those that were not reached come first in the next round."""
    verifier = _Verifier({one: TemporaryError("away") for one in range(1, MAX_FAILURES + 1)})
    sweep = Sweep(world.redis, verifier)
    with pytest.raises(TemporaryError):
        sweep.verify(range(1, 9))
    assert verifier.seen == list(range(1, MAX_FAILURES + 1))
    with pytest.raises(TemporaryError):
        sweep.verify(range(1, 9))

    assert verifier.seen[MAX_FAILURES : MAX_FAILURES + 2] == [MAX_FAILURES + 1, MAX_FAILURES + 2]


def test_finished_crucibles_are_asked_about_once(world: VoteWorld) -> None:
    """The entries of a thousand finished crucibles come many times over: one question, and no verifier at work."""
    verifier = _Verifier({}, finished=range(1, 1_001))
    sweep = Sweep(world.redis, verifier)
    for _ in range(5):
        sweep.verify(range(1, 1_001))
    sweep.verify(range(1, 1_003))

    assert verifier.questions == [list(range(1, 1_001)), [1_001, 1_002]]
    assert verifier.seen == [1_001, 1_002]


def test_postgresql_says_which_take_votes(world: VoteWorld) -> None:
    """Finished crucibles and those that are not there are left out."""
    active, finished = world.crucible(entries=1), world.crucible(entries=1, status="Completed")
    with world.verification() as verification:
        assert verification.verifier.unfinished([active, finished, 999_999]) == {active}


def test_asking_writes_nothing(world: VoteWorld) -> None:
    """What a crash took of the drain's hints comes back on command, and not on the way of a question."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=5)
    hints = keys.undrained(keys.bucket(crucible))
    world.redis.delete(hints)
    sweep = Sweep(world.redis, _Verifier({}))

    assert sweep.unverified([crucible, 999_999]) == [999_999]
    assert not world.redis.exists(hints)
    sweep.restore_hints([crucible, 999_999])
    assert world.redis.smembers(hints) == {str(crucible).encode()}


def test_at_the_end_the_rest_is_left_to_others(world: VoteWorld) -> None:
    """A round of many may take minutes, and the process has seconds."""
    verifier = _Verifier({})
    Sweep(world.redis, verifier).verify(range(1, 9), stopping=lambda: len(verifier.seen) == 3)

    assert verifier.seen == [1, 2, 3]


def test_a_crucible_at_work_at_the_end_is_released(world: VoteWorld) -> None:
    """Else nobody could see to it until its verifier's time has run out, a minute later."""
    crucible = world.crucible()
    world.environ["CRUCIBLE_CLICKHOUSE__TIMEOUT"] = "4"  # longer than the threads have
    with ThreadPoolExecutor(1) as thread:
        with world.verification() as verification:
            world.stack.clickhouse.pause()
            under_way = thread.submit(verification.verifier.verify, crucible)
            await_that(lambda: bool(world.redis.exists(keys.verifier_lock(crucible))), "the verifier at work")
        assert not world.redis.exists(keys.verifier_lock(crucible))
        assert not under_way.done()
        world.stack.clickhouse.resume()

    assert world.keep(crucible) == [Comparison.REBUILT]


def test_a_lock_that_was_given_after_we_stopped_waiting_is_ours(world: VoteWorld) -> None:
    """Redis was slow: nobody else knows the lock's token, and a minute would pass without a verifier."""
    crucible, unanswered = world.crucible(), dict[int, str]()
    slow = cast("redis.Redis", _Late(world.redis))
    with pytest.raises(TemporaryError), lock_crucible(slow, crucible, unanswered):
        pass
    with lock_crucible(world.redis, crucible, {}) as others:
        assert others is None
    with lock_crucible(world.redis, crucible, unanswered) as ours:
        assert ours is not None
    with lock_crucible(world.redis, crucible, {}) as anybody:
        assert anybody is not None


class _Late:
    """Redis, which carries a command out when its answer is waited for no more."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def set(self, *given: Any, **options: Any) -> None:
        """Done, and not answered."""
        self._client.set(*given, **options)
        raise redis.TimeoutError("Timeout reading from socket")
