"""The writer: one question for plans that come due together, attempts until it goes through, and an end."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from watcher.changes import writer as module
from watcher.changes.lane import Gathered, Job, Lane
from watcher.changes.writer import Writer
from watcher.clickhouse.columns import ColumnTypeError
from watcher.clickhouse.pinned_settings import PinnedSettingError
from watcher.model.errors import RefusedError, SchemaPendingError, SinkDisagreesError, TemporaryError
from watcher.model.plan import Plan
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.progress import Progress
from watcher.runtime import clock
from watcher.runtime.retry import Retry, exactly


@dataclass
class Sink:
    """Notes what it is asked; fails as often as it is told to."""

    faults: list[Exception | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    there: set[bytes] = field(default_factory=set)
    closed: bool = False

    def _fail(self) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    def present(self, batches: list[Any]) -> set[bytes]:
        self.asked.append(f"present {len(batches)}")
        return set(self.there)

    def write(self, plan: Plan, _rows: Any, before_send: Any, present: set[bytes]) -> PlanOutcome:
        self.asked.append(f"write {plan.partition} without {len(present)}")
        before_send()
        self._fail()
        return PlanOutcome.WRITTEN

    def recover(self, plan: Plan, _rows: Any, before_send: Any) -> PlanOutcome:
        self.asked.append(f"recover {plan.partition}")
        before_send()
        self._fail()
        return PlanOutcome.RECOVERED

    def close(self) -> None:
        self.closed = True


def job(partition: int, *identities: bytes, recover: bool = False) -> Job:
    progress = Progress("id", partition, 0, 0)
    progress.deliver(3)
    lane = Lane("t", partition, progress, 1_000.0)
    plan = progress.name()
    progress.opened(plan, clock.now())
    return Job(lane, plan, Gathered(identities=set(identities)), recover=recover, named_at=0.0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits here."""
    monkeypatch.setattr(module, "ATTEMPTS", Retry(0.0, 0.0, jitter=exactly))


def writing(sink: Sink, *jobs: Job) -> tuple[Writer, list[TemporaryError]]:
    away: list[TemporaryError] = []
    given: Any = sink
    writer = Writer(given, away.append)
    for one in jobs:
        writer.submit(one)
    return writer, away


def outcomes(writer: Writer) -> list[PlanOutcome | None]:
    return [written.outcome for written in writer.done]


def test_plans_that_come_due_together_are_one_question() -> None:
    """The second one is not sent what the first one brought a moment before."""
    sink = Sink(there={b"a"})
    writer, away = writing(sink, job(1, b"a", b"b"), job(2, b"b", b"c"))
    writer.turn()

    assert sink.asked == ["present 2", "write 1 without 1", "write 2 without 1"]
    assert (outcomes(writer), writer.finished.is_set(), away) == ([PlanOutcome.WRITTEN] * 2, True, [])


def test_a_failed_attempt_is_told_and_recovered() -> None:
    """Its outcome is unknown, so each further attempt looks first; and so does the next plan, for time has passed."""
    faults = [TemporaryError("one"), TemporaryError("two")]
    sink = Sink(faults=[*faults])
    writer, away = writing(sink, job(1, b"a"), job(2, b"b"))
    writer.turn()

    assert sink.asked == ["present 2", "write 1 without 0", "recover 1", "recover 1", "recover 2"]
    assert (outcomes(writer), away) == ([PlanOutcome.RECOVERED] * 2, faults)


@pytest.mark.parametrize(
    "fault",
    [
        SchemaPendingError("migrations"),
        ColumnTypeError("a type"),
        PinnedSettingError("a profile"),
        RefusedError("a right"),
    ],
)
def test_a_store_that_is_another_one_by_now_is_waited_for(fault: TemporaryError) -> None:
    """A start ends with the first three; who runs has counted so far, and goes on once they are mended."""
    sink = Sink(faults=[fault])
    writer, away = writing(sink, job(1, b"a"))
    writer.turn()

    assert (outcomes(writer), away) == ([PlanOutcome.RECOVERED], [fault])


def test_a_plan_that_somebody_may_have_written_is_recovered() -> None:
    """Without a question of its own."""
    sink = Sink()
    writer, _ = writing(sink, job(1, b"a", recover=True))
    writer.turn()

    assert sink.asked == ["recover 1"]


def test_a_partition_that_was_taken_away_is_given_up() -> None:
    """Between two attempts, and before the first."""
    taken, gone = job(1, b"a"), job(2, b"b")
    gone.lane.lose()
    sink = Sink(faults=[TemporaryError("away")])
    writer, _ = writing(sink, taken, gone)
    writer._away = lambda _: taken.lane.lose()
    writer.turn()

    assert outcomes(writer) == [None, None]
    assert sink.asked == ["present 2", "write 1 without 0", "recover 2"]


def test_at_the_end_what_is_left_stays_open() -> None:
    """The plan whose attempt failed, and those behind it; the sink is closed by the thread that used it."""
    sink = Sink(faults=[TemporaryError("away")])
    writer, _ = writing(sink, job(1, b"a"), job(2, b"b"))
    writer._away = lambda _: writer.signal.stop()
    writer.turn()
    writer.end()

    assert (outcomes(writer), sink.asked) == ([None], ["present 2", "write 1 without 0"])
    assert sink.closed


def test_an_error_that_stays_is_the_job_s_result() -> None:
    """The loop raises it; the writer goes on, for other partitions' plans."""
    fault = SinkDisagreesError("other rows")
    sink = Sink(faults=[fault])
    writer, away = writing(sink, job(1, b"a"), job(2, b"b"))
    writer.turn()

    assert [written.error for written in writer.done] == [fault, None]
    assert away == []


def test_a_job_wakes_the_writer_and_none_lets_it_sleep() -> None:
    """Nobody looks at an empty queue."""
    writer, _ = writing(Sink())
    assert writer.turn() == float("inf")
    assert writer.signal._wakes.empty()

    writer.submit(job(1))
    assert not writer.signal._wakes.empty()


def test_it_says_which_changes_were_there_before():
    """Of a plan that nobody has tried to write: those were delivered again."""
    sink = Sink(there={b"again"})
    writer, _ = writing(sink, job(0, b"again", b"new"), job(1, b"other"))
    writer.turn()

    assert [written.repeated for written in writer.done] == [{b"again"}, set()]
