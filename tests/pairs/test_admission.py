"""Admission, between a real PostgreSQL and a real Redis."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
import redis
from prometheus_client import CollectorRegistry

from stack import Stack
from tests.pairs.contest import CRUCIBLE, Contest
from watcher.model.errors import TemporaryError
from watcher.postgres.session import Session, open_session
from watcher.redis import admissions, keys
from watcher.redis.admissions import Admissions
from watcher.redis.client import open_client
from watcher.telemetry.metrics import Metrics
from watcher.visibility import admission as module
from watcher.visibility.admission import BULK, Admission, Neighbours


@pytest.fixture
def contest(site: psycopg.Connection[Any], raw: redis.Redis) -> Contest:
    """An active crucible."""
    one = Contest(site, raw)
    one.open()
    return one


@pytest.fixture
def session(dsn: str) -> Iterator[Session]:
    """The site as the watcher's role sees it."""
    with open_session(dsn, "crucible_watcher") as opened:
        yield opened


class Process:
    """A process that admits."""

    def __init__(self, parts: Stack, dsn: str, interval: float = 60.0) -> None:
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
        self.failed: list[Exception] = []
        self.ended = threading.Event()
        self.admission = Admission(neighbours, self.metrics, interval, self._failed)

    def _failed(self, error: Exception) -> None:
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
def process(parts: Stack, dsn: str) -> Process:
    """One."""
    return Process(parts, dsn)


def test_what_arrived_is_admitted_by_the_next_turn(contest: Contest, process: Process, session: Session) -> None:
    """With the exact level of its image; what may not be shown is counted with its reason."""
    process.admission.turn(session)  # the sweep that a start begins with
    contest.image(2, nsfwLevel=4)
    contest.image(3, nsfwLevel=32)

    process.admission.arrived(contest.enter({11: 1, 12: 2, 13: 3}))
    process.admission.turn(session)

    assert contest.admitted() == {11: 1, 12: 4}
    assert process.counted("admitted") == 2
    assert process.counted("refused", "blocked") == 1


def test_a_start_sweeps(contest: Contest, process: Process, session: Session) -> None:
    """What arrived while nobody ran is not handed over by anybody."""
    contest.enter({11: 1, 12: 2})

    process.admission.turn(session)

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
    session: Session,
    columns: dict[str, Any],
    left: dict[int, int],
    outcome: str,
    reason: str,
) -> None:
    """No event tells of an image: only looking again does."""
    contest.enter({11: 1, 12: 2})
    process.admission.turn(session)
    contest.image(1, **columns)

    again(contest, process, session)

    assert contest.admitted() == left
    assert process.counted(outcome, reason) == 1


def test_a_sweep_finds_another_level_of_the_crucible(contest: Contest, process: Process, session: Session) -> None:
    """Entries that it no longer allows leave, and come back."""
    contest.image(2, nsfwLevel=8)
    contest.enter({11: 1, 12: 2})
    process.admission.turn(session)
    contest.open(level=1)
    again(contest, process, session)
    assert contest.admitted() == {11: 1}

    contest.open(level=9)
    again(contest, process, session)

    assert contest.admitted() == {11: 1, 12: 8}


def test_a_sweep_sends_differences_only(
    contest: Contest, process: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million entries of which nothing changed cost Redis no write."""
    contest.enter({11: 1, 12: 2})
    process.admission.turn(session)
    sent: list[Any] = []
    real = Admissions.admit
    monkeypatch.setattr(Admissions, "admit", lambda self, *given: (sent.append(given), real(self, *given))[1])
    contest.image(2, nsfwLevel=2)

    again(contest, process, session)

    assert [(crucible, [placement.entry_id for placement in placements]) for crucible, placements in sent] == [
        (CRUCIBLE, [12])
    ]


def test_processes_take_turns(contest: Contest, parts: Stack, dsn: str, session: Session) -> None:
    """One sweeps; the others do not until it is due again. A sweep that died does not stop them for ever."""
    first, second = Process(parts, dsn), Process(parts, dsn)
    first.admission.turn(session)
    second.admission._behind = False
    contest.enter({11: 1})

    second.admission.turn(session)
    assert contest.admitted() == {}

    contest.raw.delete(keys.ADMISSION_SWEPT)
    # Somebody is at it, or was killed.
    contest.raw.set(keys.ADMISSION_SWEEPING, "", ex=admissions.SWEEP_SILENCE_SECONDS)
    second.admission._sweep_at = 0.0
    second.admission.turn(session)
    assert contest.admitted() == {}

    contest.raw.delete(keys.ADMISSION_SWEEPING)  # it expired
    second.admission._sweep_at = 0.0
    second.admission.turn(session)
    assert contest.admitted() == {11: 1}


def test_a_flood_of_arrivals_is_left_to_a_sweep(
    contest: Contest, process: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the change stream catches up, looking each entry up would slow it down; a moment later all are there."""
    process.admission.turn(session)
    asked: list[int] = []
    real = module.look
    monkeypatch.setattr(module, "look", lambda session, some: (asked.append(len(some)), real(session, some))[1])
    process.admission.arrived(contest.enter(dict.fromkeys(range(1, BULK + 2), 1)))

    process.admission.turn(session)
    assert (asked, contest.admitted()) == ([], {})

    process.admission._bulk_at -= module.CALM
    process.admission.turn(session)
    assert len(contest.admitted()) == BULK + 1


def test_finished_and_absent_crucibles_are_left_alone(contest: Contest, process: Process, session: Session) -> None:
    """The first has its result; the second has nowhere to put it."""
    contest.enter({11: 1})
    contest.open(status="Completed")
    process.admission.turn(session)
    assert contest.admitted() == {}

    contest.open()
    contest.raw.flushall()
    again(contest, process, session)

    assert contest.raw.keys(f"{keys.tag(CRUCIBLE)}*") == []


def test_a_right_that_is_missing_is_told_and_waited_for(
    parts: Stack, contest: Contest, dsn: str, site: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file to run; once it was run, everything is admitted without a restart."""
    monkeypatch.setattr(module, "AGAIN", 0.01)
    process = Process(parts, dsn, interval=0.05)
    contest.enter({11: 1})
    site.execute('REVOKE SELECT ON "Image" FROM crucible_watcher')
    try:
        process.admission.start()
        assert process.away.wait(20)
        assert "debezium/postgres/watcher.sql" in str(process.told[0])
        site.execute('GRANT SELECT ON "Image" TO crucible_watcher')
        wait_until(lambda: contest.admitted() == {11: 1})
    finally:
        site.execute('GRANT SELECT ON "Image" TO crucible_watcher')
        process.admission.close(20)


def test_the_thread_admits_within_a_moment(parts: Stack, contest: Contest, dsn: str) -> None:
    """Arrivals wake it; closing ends it."""
    process = Process(parts, dsn)
    process.admission.start()
    try:
        wait_until(lambda: contest.raw.exists(keys.ADMISSION_SWEPT))
        process.admission.arrived(contest.enter({11: 1}))
        wait_until(lambda: contest.admitted() == {11: 1})
    finally:
        process.admission.close(20)

    assert not process.admission._thread.is_alive()
    assert process.told == []


def again(contest: Contest, process: Process, session: Session) -> None:
    """Time passes until a sweep is due."""
    contest.raw.delete(keys.ADMISSION_SWEPT)
    process.admission._sweep_at = 0.0
    process.admission.turn(session)


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

    def faulty(**_: object) -> bool:
        raise ValueError("not foreseen")

    monkeypatch.setattr(process.admission._admissions, "take_turn", faulty)

    process.admission.start()
    try:
        assert process.ended.wait(20)
    finally:
        process.admission.close(20)

    assert [str(error) for error in process.failed] == ["not foreseen"]
    assert process.told == []
    assert not process.admission._thread.is_alive()
