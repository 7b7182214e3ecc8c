"""The planned-batch protocol against every order of crashes, lost answers, late requests and re-sent changes.

Kafka, ClickHouse and the network are small models; the state machine under test is the real one. A run that finds a
change twice, or at its end not at all, is a fault of the protocol. The same machine with one protection taken away must
find such a run: otherwise it proves nothing.
"""

import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from watcher.model.plan import Plan
from watcher.model.progress import Progress

TOPIC_ID = "topic"
PROFILE = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)


@dataclass
class Sink:
    """ClickHouse as the protocol sees it: rows, and the tokens it remembers."""

    rows: Counter[int] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)

    def insert(self, token: str, changes: list[int]) -> None:
        """Take a block, unless its token is known."""
        if token not in self.tokens:
            self.tokens.add(token)
            self.rows.update(changes)

    def missing(self, changes: list[int]) -> list[int]:
        """The changes that are not there, each named once."""
        return [change for change in dict.fromkeys(changes) if not self.rows[change]]


class Protocol(RuleBasedStateMachine):
    """One partition, one owner at a time, and requests of dead owners that may land whenever they like."""

    asks = True
    tokens = True
    reads_back = True
    names_first = True

    @initialize(changes=st.lists(st.integers(0, 6), min_size=4, max_size=14))
    def begin(self, changes: list[int]) -> None:
        """The topic: a change may be in it more than once, right behind itself or much later."""
        self.log = changes
        self.sink = Sink()
        self.numbers = itertools.count()
        self.committed: tuple[int, str | None] = (0, None)
        self.late: list[tuple[str, list[int]]] = []
        self.take_over()

    def take_over(self) -> None:
        """A new owner: knows what Kafka knows and nothing else."""
        self.owner = Progress.resume(TOPIC_ID, 0, *self.committed)
        self.gathered: list[int] = []
        self.batch: list[int] = []
        self.doubtful = self.owner.open is not None
        if self.committed[1] == "":
            self.owner.doubt = len(self.log)

    def token(self, plan: Plan) -> str:
        return plan.token if self.tokens else f"{plan.token}#{next(self.numbers)}"

    @precondition(lambda self: self.owner.next < len(self.log))
    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        """Some records; those of a plan that is being read again make up its batch."""
        for _ in range(min(count, len(self.log) - self.owner.next)):
            offset = self.owner.next
            again = self.owner.rereading and self.owner.open and offset < self.owner.open.end
            (self.batch if again else self.gathered).append(self.log[offset])
            self.owner.deliver(offset)

    @precondition(lambda self: self.owner.open is None and self.gathered)
    @rule(answer=st.sampled_from(["taken", "taken, answer lost", "lost"]))
    def name(self, answer: str) -> None:
        """Name a plan. Only an answer makes it one that may be sent."""
        plan = self.owner.name()
        if answer != "lost" and self.names_first:
            self.committed = (plan.start, plan.to_metadata())
        if answer == "taken" or not self.names_first:
            self.owner.opened(plan, now=0.0)
            self.batch, self.gathered, self.doubtful = self.gathered, [], False

    def ready(self) -> bool:
        return self.owner.open is not None and (not self.owner.rereading or self.owner.reread)

    @precondition(lambda self: self.ready())
    @rule(fate=st.sampled_from(["done", "answer lost", "late", "token without part"]))
    def send(self, fate: str) -> None:
        """Ask, insert, and where a first attempt is in doubt ask again."""
        plan = self.owner.open
        assert plan is not None
        rows = self.sink.missing(self.batch) if self.asks else list(dict.fromkeys(self.batch))
        if fate == "late":
            self.late.append((self.token(plan), rows))
            self.doubtful = True
            return
        if fate == "token without part":
            if rows:
                self.sink.tokens.add(plan.token)
            self.doubtful = True
            return
        self.sink.insert(self.token(plan), rows)
        if fate == "answer lost":
            self.doubtful = True
            return
        if (self.doubtful or plan.doubtful) and self.reads_back:
            self.sink.rows.update(self.sink.missing(rows))
        self.owner.written(plan)
        self.batch, self.doubtful = [], False

    @precondition(lambda self: self.owner.open is None and self.owner.durable > self.committed[0])
    @rule()
    def acknowledge(self) -> None:
        """Idle: say in Kafka how far the sinks are."""
        if not self.gathered:
            plan = self.owner.name()
            self.committed = (plan.start, plan.to_metadata())

    @precondition(lambda self: self.late)
    @rule()
    def land(self) -> None:
        """A request of whomever arrives at last."""
        self.sink.insert(*self.late.pop(0))

    @rule()
    def crash(self) -> None:
        """The owner dies, or is believed dead; somebody else takes over."""
        self.take_over()

    @precondition(lambda self: not self.late)
    @rule(share=st.floats(0, 1))
    def rewind(self, share: float) -> None:
        """An operator sets the group back, and with it loses the plan. No request outlives its time-out by then."""
        self.committed = (int(self.committed[0] * share), "")
        self.take_over()

    @invariant()
    def nothing_twice(self) -> None:
        """No change is ever there more than once."""
        assert max(getattr(self, "sink", Sink()).rows.values(), default=0) <= 1

    def teardown(self) -> None:
        """Calm: every change that was delivered is there in the end."""
        if not hasattr(self, "log"):
            return
        while self.late:
            self.land()
        self.finish()
        assert set(+self.sink.rows) == set(self.log)
        self.nothing_twice()

    def finish(self) -> None:
        """Deliver and write whatever there is, without a fault."""
        while self.owner.next < len(self.log) or self.owner.open or self.gathered:
            if self.owner.next < len(self.log):
                self.deliver(4)
            elif self.owner.open is None:
                self.name("taken")
            if self.ready():
                self.send("done")


def test_every_change_counts_once_whatever_happens() -> None:
    """No order of crashes, lost answers, late requests, rewinds and re-sends doubles or loses a change."""
    run_state_machine_as_test(Protocol, settings=PROFILE)


def test_a_place_set_by_hand_forgets_a_lost_part() -> None:
    """Its plan has the name of one that ClickHouse remembers and nobody else does: only reading back finds the hole."""
    story = [("deliver", 2), ("name", "taken"), ("send", "token without part"), ("rewind", 0.0)]
    story += [("deliver", 2), ("name", "taken"), ("send", "done")]

    tell(Protocol, story)
    with pytest.raises(AssertionError):
        tell(type("Weakened", (Protocol,), {"reads_back": False}), story)


def test_the_doubt_outlives_its_finder() -> None:
    """Whoever set out from a place set by hand dies after one plan; the next owner finds the doubt in the metadata."""
    story = [("deliver", 2), ("name", "taken"), ("send", "done"), ("deliver", 2), ("name", "taken")]
    story += [("send", "token without part"), ("rewind", 0.0)]
    story += [("deliver", 2), ("name", "taken"), ("send", "done"), ("deliver", 2), ("name", "taken, answer lost")]
    story += [("crash",), ("deliver", 2), ("send", "done")]

    tell(Protocol, story)


STORIES: dict[str, list[tuple[object, ...]]] = {
    # An operator sets the group back: what is delivered again was counted before.
    "asks": [("deliver", 2), ("name", "taken"), ("send", "done"), ("rewind", 0.0)],
    # A request is believed lost, sent again, and lands after all.
    "tokens": [("deliver", 4), ("name", "taken"), ("send", "late"), ("send", "done"), ("land",)],
    # ClickHouse is killed between its record of the token and the rename of the part.
    "reads_back": [("deliver", 4), ("name", "taken"), ("send", "token without part"), ("send", "done")],
    # The owner dies with a request under way that nobody else knows of.
    "names_first": [("deliver", 2), ("name", "taken"), ("send", "late"), ("crash",), ("finish",), ("land",)],
}


def tell(machine: type[Protocol], story: list[tuple[object, ...]]) -> None:
    """Run a story to its calm end."""
    protocol = machine()
    protocol.begin([1, 2, 3, 4])
    for step, *arguments in story:
        getattr(protocol, str(step))(*arguments)
        protocol.nothing_twice()
    protocol.teardown()


@pytest.mark.parametrize("protection", STORIES)
def test_each_protection_is_needed(protection: str) -> None:
    """What one protection is there for goes well with it, and doubles or loses a change without it."""
    weakened = type("Weakened", (Protocol,), {protection: False})

    tell(Protocol, STORIES[protection])
    with pytest.raises(AssertionError):
        tell(weakened, STORIES[protection])
