"""The change loop with everything in memory: its time passes when it waits, and one thread does all of it."""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from handlers import REGISTRY
from tests.change_events import change, contest, entry, value
from watcher.changes.ingest import Ingest
from watcher.changes.journal import Journal
from watcher.changes.key_changes import KeyChanges
from watcher.changes.lane import AbandonedError, Job, Lane
from watcher.changes.limits import Limits
from watcher.changes.loop import ChangeLoop, Sinks
from watcher.changes.memory_broker import MemoryBroker
from watcher.changes.memory_sinks import MemoryDeadLetters, MemoryRows, MemoryStates
from watcher.changes.memory_source import MemorySource
from watcher.changes.observer import Observer
from watcher.changes.report import ChangeReport
from watcher.changes.source import Source
from watcher.changes.taken import Taken
from watcher.changes.writer import JobResult
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.model.change import Operation
from watcher.model.dead_letter import DeadLetter, DeadLetterLimit
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent
from watcher.model.farthest import Farthest
from watcher.model.metric_rows import MetricRows
from watcher.model.need_reason import NeedReason
from watcher.model.plan import Plan
from watcher.model.postgres_look import PostgresLook
from watcher.model.row_state import RowStates, ShownStates
from watcher.model.stream import Partition
from watcher.model.table_pause import TablePause
from watcher.runtime.shutdown import Shutdown
from watcher.telemetry.metrics import Metrics

TOPIC = "postgres.CrucibleEntry"
FIRST: Partition = (TOPIC, 0)
AVRO = b"\x00\x00\x00\x00\x01\x02a"
"""A record whose schema has to be asked for."""


def opened(crucible_id: int = 42, lsn: int = 1) -> bytes:
    """Return the record of a crucible's creation."""
    return value(change(Operation.CREATE, after=contest(id=crucible_id), lsn=lsn))


def entered(entry_id: int, lsn: int | None = None, crucible_id: int = 42) -> bytes:
    """Return the record of an entry's creation, which comes to two rows and a state."""
    row = entry(id=entry_id, crucible_id=crucible_id)
    return value(change(Operation.CREATE, after=row, lsn=1000 + entry_id if lsn is None else lsn))


class Clock:
    """Seconds that pass when somebody waits for them."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.meanwhile: list[tuple[float, Callable[[], None]]] = []
        self.stands_at = math.inf
        """When time stops, whoever waits, so that a test can have something come just then."""

    def now(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Let so many pass; what was to happen in between happens."""
        until = max(self.seconds, min(self.seconds + seconds, self.stands_at))
        while due := [one for one in self.meanwhile if one[0] <= until]:
            first = min(due, key=lambda one: one[0])
            self.meanwhile.remove(first)
            self.seconds = max(self.seconds, first[0])
            first[1]()
        self.seconds = until

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something happen when so many seconds have passed."""
        self.meanwhile.append((self.seconds + seconds, action))


class InlineWriter:
    """A writer whose jobs are done when the loop looks for them, or when a test says so.

    Args:
        sink: where plans go.
        clock: passes while the loop waits.
        away: told of each attempt that failed.
    """

    def __init__(self, sink: MemoryRows, clock: Clock, away: Callable[[TemporaryError], None]) -> None:
        self.sink, self.jobs = sink, deque[Job]()
        self.at_once = True
        """Whether a job is done before the loop looks for it the next time."""
        self.done, self.finished = deque[JobResult](), self
        self._clock, self._away = clock, away

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def work(self) -> None:
        """Do the jobs; those that fail because the sink is away stay."""
        for job in [self.jobs.popleft() for _ in range(len(self.jobs))]:
            try:
                if job.lane.lost:
                    raise AbandonedError
                rows, present = job.gathered.rows, self.sink.present([job.gathered.rows])
                send = permitted(job.lane)
                how = (
                    self.sink.recover(job.plan, rows, send)
                    if job.recover
                    else self.sink.write(job.plan, rows, send, present)
                )
                repeated = frozenset() if job.recover else frozenset(present & job.gathered.identities)
                self.done.append(JobResult(job, how, repeated=repeated))
            except AbandonedError:
                self.done.append(JobResult(job, None))
            except TemporaryError as error:
                self._away(error)
                self.jobs.append(job)

    def wait(self, timeout: float) -> None:
        self._clock.pass_by(timeout)

    def clear(self) -> None:
        if self.at_once:
            self.work()


def permitted(lane: Lane) -> Callable[[], None]:
    """Return what asks for the permission to send; where that would wait, the sink is away for now."""

    def permit() -> None:
        if not lane.progress.may_send(lane._now(), lane.lease):
            raise TemporaryError("the lease has run out")
        lane.permit()

    return permit


class Told(MemoryStates):
    """States that say in a common list when they are shown."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__()
        self._steps = steps

    def apply(self, states: RowStates, history: int) -> ShownStates:
        shown = super().apply(states, history)
        self._steps.append("shown")
        return shown


class ToldRows(MemoryRows):
    """Rows that say when they are written."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__()
        self._steps = steps

    def write(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None], present: set[bytes]) -> Any:
        outcome = super().write(plan, rows, before_send, present)
        self._steps.append(f"written {plan.start}-{plan.end}")
        return outcome

    def recover(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None]) -> Any:
        outcome = super().recover(plan, rows, before_send)
        self._steps.append("recovered")
        return outcome


class ToldLetters(MemoryDeadLetters):
    """Letters that say when they are durable."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__()
        self._steps = steps

    def flush(self, timeout: float = 0.0) -> None:
        super().flush(timeout)
        self._steps.append("letters")


class ToldBroker(MemoryBroker):
    """A broker that says what is committed."""

    def __init__(self, clock: Clock, steps: list[str]) -> None:
        super().__init__(clock.pass_by)
        self._steps = steps

    def accept(self, offsets: dict[Partition, tuple[int, str]]) -> None:
        super().accept(offsets)
        plans = sorted((offset, metadata.partition('"end":')[2].rstrip("}")) for offset, metadata in offsets.values())
        self._steps.append("commit " + " ".join(f"{start}-{end.partition(',')[0]}" for start, end in plans))


class Store:
    """The watcher's schema in memory."""

    def __init__(self) -> None:
        self.away = False
        self.failure: Exception | None = None
        self.partitions: dict[Partition, str] = {}
        self.needed: dict[ReconcileNeeded, Extent] = {}
        self.paused: dict[str, TablePause] = {}

    def load(self) -> tuple[int, dict[Partition, str], dict[ReconcileNeeded, Extent], dict[str, TablePause]]:
        self._check()
        return 1, dict(self.partitions), dict(self.needed), dict(self.paused)

    def save(
        self, seen: dict[Partition, str], needed: dict[ReconcileNeeded, Extent], _farthest: Farthest | None = None
    ) -> PostgresLook:
        if self.away:
            raise TemporaryError("postgres is away")
        self.partitions |= seen
        self.needed |= needed
        self._check()
        return PostgresLook(dict(self.needed), paused=dict(self.paused))

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


class Schemas:
    """A schema registry that can be away."""

    away = False

    def schema(self, schema_id: int) -> str:
        if self.away:
            raise TemporaryError("registry: no answer")
        return '"string"'


class ForgetfulCheck:
    """A check of the stream whose memory can be away; it misses something in every poll that it is told of."""

    def __init__(self) -> None:
        self.away = False
        self.told: list[int] = []
        """How many changes it was told of, each time."""

    def taken(self, taken: Taken, _lanes: Mapping[Partition, Lane]) -> dict[ReconcileNeeded, Extent]:
        self.told.append(taken.consumed.total())
        if self.away:
            raise TemporaryError("redis: no answer")
        return {ReconcileNeeded("CrucibleEntry", NeedReason.CUT_OFF): Extent("LSN 0/1", "LSN 0/1")}

    def turned(self, _lanes: Mapping[Partition, Lane], _source: Source) -> dict[ReconcileNeeded, Extent]:
        return {}


@dataclass
class Heard:
    """What an observer heard."""

    shown: list[RowStates] = field(default_factory=list)
    absent: list[frozenset[int]] = field(default_factory=list)
    reconcile: list[ReconcileNeeded] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    turns: int = 0

    def turned(self) -> None:
        self.turns += 1


class PassedShutdown(Shutdown):
    """The end of a process whose waits pass by at once."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        super().__init__(seconds, clock.now)
        self._clock = clock

    def pause(self, seconds: float) -> bool:
        self._clock.pass_by(seconds)
        return self.begun


class Looped:
    """The loop and all that it works with.

    Args:
        partitions: of the topic.
        limits: other than those of :meth:`limits`.
    """

    def __init__(self, partitions: int = 1, **limits: float) -> None:
        self.steps: list[str] = []
        """What happened, in its order."""
        self.clock = Clock()
        self.broker = ToldBroker(self.clock, self.steps)
        self.broker.create_topic(TOPIC, partitions)
        self.states, self.rows, self.letters = Told(self.steps), ToldRows(self.steps), ToldLetters(self.steps)
        self.store, self.schemas, self.heard = Store(), Schemas(), Heard()
        self.check: ForgetfulCheck | None = None
        """Besides that for changed keys, from the next start on."""
        self.limits = Limits(**{**LIMITS, **limits})
        self.registry = CollectorRegistry()
        self.start()

    def start(self) -> None:
        """Put a new loop in the place of the last one, as a restart does."""
        report = ChangeReport(Metrics(self.registry_anew(), (table.name for table in REGISTRY)), 30.0, self.clock.now)
        self.journal = Journal.load(self.store, lambda error: report.away("postgres", error), report.needs)
        self.key_changes = KeyChanges(self.rows, self.clock.now)
        self.shutdown = PassedShutdown(DEADLINE_SECONDS, self.clock)
        self.writer = InlineWriter(self.rows, self.clock, lambda error: report.away("clickhouse", error))
        self.loop = ChangeLoop(
            open_source=self._open,
            ingest=Ingest(REGISTRY, Decoder(REGISTRY, AvroReader(self.schemas))),
            sinks=Sinks(
                states=self.states,
                rows=self.writer,
                dead_letters=self.letters,
                dead_letter_limit=DeadLetterLimit(consecutive=3, share=1.0, window=100),
            ),
            journal=self.journal,
            report=report,
            limits=self.limits,
            shutdown=self.shutdown,
            checks=[self.key_changes, *filter(None, [self.check])],
            observers=[
                Observer(turned=self.heard.turned, shown=self.heard.shown.append),
                Observer(absent=self.heard.absent.append, reconcile=self.heard.reconcile.append),
                Observer(emptied=self.heard.emptied.append),
            ],
            now=self.clock.now,
        )
        self.loop.subscribe([TOPIC])

    def registry_anew(self) -> CollectorRegistry:
        self.registry = CollectorRegistry()
        return self.registry

    def _open(self, listener: Any) -> MemorySource:
        self.source = MemorySource(self.broker, listener)
        return self.source

    def crash(self) -> None:
        """Leave without a word, as a process that was killed."""
        self.broker.holders.clear()

    def produce(self, *records: bytes | None, partition: int = 0) -> None:
        for record in records:
            self.broker.produce(TOPIC, record, b"key", partition=partition)

    def turns(self, count: int = 1) -> None:
        for _ in range(count):
            self.loop.turn()

    def turns_for(self, seconds: float) -> None:
        """Turn until so many seconds have passed."""
        until = self.clock.stands_at = self.clock.now() + seconds
        while self.clock.now() < until:
            self.loop.turn()
        self.clock.stands_at = math.inf

    def run(self, *, stop_after: float) -> None:
        """Run until stopped, and to the end."""
        self.clock.after(stop_after, self.shutdown.begin)
        self.loop.run([TOPIC])

    def lane(self, partition: int = 0) -> Lane:
        return self.loop._lanes[TOPIC, partition]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def committed(self, partition: int = 0) -> tuple[int | None, str | None]:
        """Return offset and metadata."""
        found = self.broker.offsets[TOPIC, partition]
        return found.offset, found.metadata

    def keys(self) -> list[int]:
        """Return the entries of the rows that are written, each once, in their order."""
        return list(dict.fromkeys(row[7] for row in self.rows.rows if row[6] == "CrucibleEntry"))


DEADLINE_SECONDS = 20.0
"""For the end."""
LIMITS: dict[str, Any] = {
    "group": "g", "flush_interval": 0.5, "max_rows": 1_000, "max_pending_rows": 10_000, "poll_records": 100,
    "poll_timeout": 0.02, "lease": 30.0,
}  # fmt: skip


def positions(letters: Collection[DeadLetter] | Iterable[DeadLetter]) -> list[int]:
    """Return the offsets of the records that were refused."""
    return [letter.position.offset for letter in letters]
