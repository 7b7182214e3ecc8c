"""Admission, between a real PostgreSQL and a real Redis."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
import redis
from prometheus_client import CollectorRegistry

from stack import Stack
from tests.pairs.contest import CRUCIBLE, Contest
from watcher.model.errors import TemporaryError
from watcher.postgres.session import Session, open_session
from watcher.postgres.site.entries import Arrived
from watcher.redis import admissions, keys
from watcher.redis.admissions import Admissions
from watcher.redis.client import open_client
from watcher.runtime.deadline import Deadline
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Worker
from watcher.telemetry.metrics import Metrics
from watcher.visibility import admission as module
from watcher.visibility.admission import BULK_ROWS, Admission, Neighbours


@pytest.fixture
def contest(site: psycopg.Connection[Any], raw: redis.Redis) -> Contest:
    """An active crucible."""
    one = Contest(site, raw)
    one.open()
    return one


class Process:
    """A process that admits."""

    def __init__(self, parts: Stack, dsn: str, interval: float = 60.0, undecided: bool | None = True) -> None:
        self.told: list[TemporaryError] = []
        self.away = threading.Event()
        self.metrics = Metrics(CollectorRegistry())

        def open_site() -> AbstractContextManager[Session]:
            return open_session(dsn, "crucible_watcher")

        neighbours = Neighbours(
            open_session=open_site,
            admissions=Admissions(open_client(parts.redis.url, cluster=False, timeout=5.0)),
            away=self._told,
        )
        self.failed: list[BaseException] = []
        self.ended = threading.Event()
        self.admission = Admission(neighbours, self.metrics.visibility, interval, undecided)
        self.worker = Worker("admission", self.admission, self._failed)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have it work by itself for the length of the block; then it has ended."""
        self.worker.start()
        try:
            yield
        finally:
            assert self.worker.close(Deadline.after(20))

    def _failed(self, error: BaseException) -> None:
        self.failed.append(error)
        self.ended.set()

    def _told(self, error: TemporaryError) -> None:
        self.told.append(error)
        self.away.set()

    def counted(self, outcome: str, reason: str = "") -> float:
        """How many entries the metric has."""
        value = self.metrics.registry.get_sample_value(
            "crucible_admissions_total", {"outcome": outcome, "reason": reason}
        )
        assert value is not None
        return value


@pytest.fixture
def process(parts: Stack, dsn: str) -> Iterator[Process]:
    """One."""
    one = Process(parts, dsn)
    yield one
    one.admission.end()


def test_what_arrived_is_admitted_by_the_next_turn(contest: Contest, process: Process) -> None:
    """With the exact level of its image; what may not be shown is counted with its reason."""
    process.admission.turn()  # the sweep that a start begins with
    contest.image(2, nsfwLevel=4)
    contest.image(3, nsfwLevel=32)

    process.admission.arrived(contest.enter({11: 1, 12: 2, 13: 3}))
    process.admission.turn()

    assert contest.admitted() == {11: 1, 12: 4}
    assert process.counted("admitted") == 2
    assert process.counted("refused", "blocked") == 1


def test_a_start_sweeps(contest: Contest, process: Process) -> None:
    """What arrived while nobody ran is not handed over by anybody."""
    contest.enter({11: 1, 12: 2})

    process.admission.turn()

    assert contest.admitted() == {11: 1, 12: 1}


@pytest.mark.parametrize(
    ("columns", "left", "outcome", "reason"),
    [
        ({"nsfwLevel": 4}, {11: 4, 12: 1}, "moved", ""),
        ({"nsfwLevel": 0}, {12: 1}, "removed", "unrated"),
        ({"nsfwLevel": 33}, {12: 1}, "removed", "blocked"),
        ({"tosViolation": True}, {12: 1}, "removed", "tos_violation"),
        ({"needsReview": "poi"}, {12: 1}, "removed", "in_review"),
        ({"ingestion": "Rescan"}, {12: 1}, "removed", "not_scanned"),
        ({"blockedFor": "tag"}, {12: 1}, "removed", "blocked"),
    ],
)
def test_a_sweep_finds_what_the_site_changed(
    contest: Contest,
    process: Process,
    columns: dict[str, Any],
    left: dict[int, int],
    outcome: str,
    reason: str,
) -> None:
    """No event tells of an image: only looking again does."""
    contest.enter({11: 1, 12: 2})
    process.admission.turn()
    contest.image(1, **columns)

    again(contest, process)

    assert contest.admitted() == left
    assert process.counted(outcome, reason) == 1


def test_a_sweep_finds_another_level_of_the_crucible(contest: Contest, process: Process) -> None:
    """Entries that it no longer allows leave, and come back."""
    contest.image(2, nsfwLevel=8)
    contest.enter({11: 1, 12: 2})
    process.admission.turn()
    contest.open(level=1)
    again(contest, process)
    assert contest.admitted() == {11: 1}

    contest.open(level=9)
    again(contest, process)

    assert contest.admitted() == {11: 1, 12: 8}


def test_a_sweep_sends_differences_only(contest: Contest, process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million entries of which nothing changed cost Redis no write."""
    contest.enter({11: 1, 12: 2})
    process.admission.turn()
    sent: list[Any] = []
    real = Admissions.admit
    monkeypatch.setattr(Admissions, "admit", lambda self, *given: (sent.append(given), real(self, *given))[1])
    contest.image(2, nsfwLevel=2)

    again(contest, process)

    assert [
        {crucible: [one.entry_id for one in some] for crucible, some in placements.items()} for (placements,) in sent
    ] == [{CRUCIBLE: [12]}]


def test_processes_take_turns(contest: Contest, process: Process, parts: Stack, dsn: str) -> None:
    """One sweeps; the others do not until it is due again. A sweep that died does not stop them for ever."""
    process.admission.turn()
    second = Process(parts, dsn)
    second.admission._behind = False
    contest.enter({11: 1})

    waits = [second.admission.turn()]
    assert contest.admitted() == {}

    contest.raw.delete(keys.ADMISSION_SWEPT)
    # Somebody is at it, or was killed.
    contest.raw.set(keys.ADMISSION_SWEEPING, "", ex=admissions.SWEEP_SILENCE_SECONDS)
    second.admission._sweep_at = 0.0
    waits.append(second.admission.turn())
    assert contest.admitted() == {}

    contest.raw.delete(keys.ADMISSION_SWEEPING)  # it expired
    second.admission._sweep_at = 0.0
    waits.append(second.admission.turn())
    second.admission.end()
    assert contest.admitted() == {11: 1}
    assert [round(wait) for wait in waits] == [60, 1, 60], "nobody asks before there can be something to do"


def test_whoever_has_nothing_to_do_waits_for_what_is_left_of_the_others_interval(
    contest: Contest, process: Process
) -> None:
    """Redis says how much; a process that wants sweeps more often does not make them."""
    process.admission.turn()
    for ms, seconds in ((20_000, 20), (600_000, 60)):
        contest.raw.set(keys.ADMISSION_SWEPT, "", px=ms)
        process.admission._sweep_at = 0.0

        assert round(process.admission.turn()) == seconds


def test_a_flood_of_arrivals_is_left_to_a_sweep(
    contest: Contest, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the change stream catches up, looking each entry up would slow it down; a moment later all are there."""
    process.admission.turn()
    asked: list[int] = []
    real = module.look
    monkeypatch.setattr(module, "look", lambda session, some: (asked.append(len(some)), real(session, some))[1])
    process.admission.arrived(contest.enter(dict.fromkeys(range(1, BULK_ROWS + 2), 1)))

    wait = process.admission.turn()
    assert (asked, contest.admitted()) == ([], {})
    assert 0 < wait <= module.CALM_SECONDS, "the sweep follows as soon as it is calm"

    process.admission._bulk_at -= module.CALM_SECONDS
    process.admission.turn()
    assert len(contest.admitted()) == BULK_ROWS + 1


def test_finished_and_absent_crucibles_are_left_alone(contest: Contest, process: Process) -> None:
    """The first has its result; the second has nowhere to put it."""
    contest.enter({11: 1})
    contest.open(status="Completed")
    process.admission.turn()
    assert contest.admitted() == {}

    contest.open()
    contest.raw.flushall()
    again(contest, process)

    assert contest.raw.keys(f"{keys.tag(CRUCIBLE)}*") == []


def test_a_right_that_is_missing_is_told_and_waited_for(
    parts: Stack, contest: Contest, dsn: str, site: psycopg.Connection[Any]
) -> None:
    """The message names the file to run; once it was run, everything is admitted without a restart."""
    process = Process(parts, dsn, interval=0.05)
    process.admission.retry = Retry(0.01, 0.01)
    contest.enter({11: 1})
    site.execute('REVOKE SELECT ON "Image" FROM crucible_watcher')
    try:
        with process.at_work():
            assert process.away.wait(20)
            assert "debezium/postgres/watcher.sql" in str(process.told[0])
            site.execute('GRANT SELECT ON "Image" TO crucible_watcher')
            wait_until(lambda: contest.admitted() == {11: 1})
    finally:
        site.execute('GRANT SELECT ON "Image" TO crucible_watcher')


def test_the_thread_admits_within_a_moment(parts: Stack, contest: Contest, dsn: str) -> None:
    """Arrivals wake it; closing ends it."""
    process = Process(parts, dsn)
    with process.at_work():
        wait_until(lambda: contest.raw.exists(keys.ADMISSION_SWEPT))
        process.admission.arrived(contest.enter({11: 1}))
        wait_until(lambda: contest.admitted() == {11: 1})

    assert process.told == []


def again(contest: Contest, process: Process) -> None:
    """Time passes until a sweep is due."""
    contest.raw.delete(keys.ADMISSION_SWEPT)
    process.admission._sweep_at = 0.0
    process.admission.turn()


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    tick = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("it did not come about")


def test_a_fault_is_no_silence(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nobody's absence ends the thread, and whoever started it is told; it is not tried again for ever."""

    def faulty() -> bool:
        raise ValueError("not foreseen")

    monkeypatch.setattr(process.admission._admissions, "take_turn", faulty)

    with process.at_work():
        assert process.ended.wait(20)

    assert [str(error) for error in process.failed] == ["not foreseen"]
    assert process.told == []


def test_an_entry_waits_for_its_verdict_where_verdicts_are_enforced(
    contest: Contest, parts: Stack, dsn: str, site: psycopg.Connection[Any]
) -> None:
    """It is neither let in nor, where it is in, taken out before somebody has decided; then the verdict holds."""
    process = Process(parts, dsn, undecided=None)
    process.admission.turn()
    process.admission.arrived(contest.enter({11: 1, 12: 2}))
    process.admission.turn()
    assert contest.admitted() == {}

    for entry, verdict in ((11, "admitted"), (12, "rejected")):
        site.execute(
            """INSERT INTO crucible_watcher.entry_verdict
                      (entry_id, crucible_id, user_id, image_id, verdict, entered_at)
               SELECT id, "crucibleId", "userId", "imageId", %s, "createdAt" FROM "CrucibleEntry" WHERE id = %s""",
            [verdict, entry],
        )
    process.admission.decided([Arrived(42, 11, 1), Arrived(42, 12, 2)])
    process.admission.turn()

    assert contest.admitted() == {11: 1}
    site.execute("DELETE FROM crucible_watcher.entry_verdict")
    process.admission.end()


def test_an_entry_that_was_moved_waits_for_its_verdict_there(
    contest: Contest, parts: Stack, dsn: str, site: psycopg.Connection[Any]
) -> None:
    """That it was let in elsewhere says nothing of this crucible's rules, neither to a turn nor to a sweep."""
    process = Process(parts, dsn, undecided=None)
    process.admission.turn()
    arrived = contest.enter({11: 1})
    site.execute(
        """INSERT INTO crucible_watcher.entry_verdict (entry_id, crucible_id, user_id, image_id, verdict, entered_at)
           SELECT id, "crucibleId" + 1, "userId", "imageId", 'admitted', "createdAt"
             FROM "CrucibleEntry" WHERE id = 11"""
    )
    process.admission.arrived(arrived)
    process.admission.decided([Arrived(42, 11, 1)])
    process.admission.turn()
    by_turn = contest.admitted()
    process.admission._behind = True
    process.admission.turn()
    by_sweep = contest.admitted()

    site.execute("UPDATE crucible_watcher.entry_verdict SET crucible_id = 42")
    process.admission.decided([Arrived(42, 11, 1)])
    process.admission.turn()

    assert (by_turn, by_sweep, contest.admitted()) == ({}, {}, {11: 1})
    site.execute("DELETE FROM crucible_watcher.entry_verdict")
    process.admission.end()
