"""The life of an outbox row: what is carried out is carried out once, whatever happens in between."""

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from watcher.model.outbox import (
    LONGEST_WAIT_SECONDS,
    MAX_ATTEMPTS,
    Delivered,
    NotSent,
    OutboxRow,
    OutboxState,
    OutboxStep,
    Refused,
    Unknown,
    after,
)

ROW = OutboxRow(id=1, channel="buzz", kind="refund", subject="entry:1", key="refund:1", payload={}, attempts=1)


@pytest.mark.parametrize(
    ("state", "outcome", "expected"),
    [
        (OutboxState.PENDING, NotSent("away"), OutboxState.PENDING),
        (OutboxState.PENDING, Unknown("timeout"), OutboxState.UNKNOWN),
        (OutboxState.UNKNOWN, NotSent("away"), OutboxState.UNKNOWN),
        (OutboxState.SENDING, NotSent("away"), OutboxState.UNKNOWN),
        (OutboxState.UNKNOWN, Delivered(), OutboxState.DONE),
        (OutboxState.PENDING, Refused("no"), OutboxState.PARKED),
        (OutboxState.UNKNOWN, Refused("no"), OutboxState.PARKED),
    ],
)
def test_what_becomes_of_a_row(state: OutboxState, outcome: NotSent | Unknown, expected: OutboxState) -> None:
    """A row that may have been sent stays one until it was looked up: who is away now may have been there then."""
    assert after(msgspec.structs.replace(ROW, state=state), outcome, 0.0).state is expected


def test_waits_grow_and_are_bounded() -> None:
    waits = [after(msgspec.structs.replace(ROW, attempts=n), NotSent("away"), 0.0).wait_seconds for n in (1, 2, 3, 30)]

    assert waits == [1.0, 2.0, 4.0, LONGEST_WAIT_SECONDS]


def test_it_is_parked_in_the_end_with_its_reason() -> None:
    step = after(msgspec.structs.replace(ROW, attempts=MAX_ATTEMPTS), Unknown("timeout"), 0.5)

    assert step == OutboxStep(OutboxState.PARKED, error=f"given up after {MAX_ATTEMPTS} attempts: timeout")


@dataclass
class Outside:
    """A service that carries out a request whenever it gets one, unless the key is known, as none here is."""

    moved: int = 0
    answers: list[str] = field(default_factory=list)


class Sending(RuleBasedStateMachine):
    """Whoever carries out a row dies at any point, and requests are lost on the way there or back."""

    looks_up = True

    def __init__(self) -> None:
        super().__init__()
        self.row, self.outside = ROW, Outside()
        self.taken = False
        self.done = False

    @precondition(lambda self: not self.taken and not self.done)
    @rule()
    def take(self) -> None:
        """Somebody takes the row and commits that it is sending; what it was before decides about looking up."""
        self.before = self.row
        self.row = msgspec.structs.replace(self.row, state=OutboxState.SENDING, attempts=1)
        self.taken = True

    @precondition(lambda self: self.taken)
    @rule(fate=st.sampled_from(["answered", "answer lost", "request lost", "killed before", "killed after"]))
    def send(self, fate: str) -> None:
        """The request leaves, or not, and its answer arrives, or not."""
        self.taken = False
        if fate == "killed before":
            return
        if self.looks_up and self.before.perhaps_sent and self.outside.moved:
            outcome: Delivered | NotSent | Unknown = Delivered()
        elif fate == "request lost":
            outcome = NotSent("refused")
        else:
            self.outside.moved += 1
            outcome = Delivered() if fate == "answered" else Unknown("timeout")
        if fate == "killed after":
            return
        step = after(self.before, outcome, 0.0)
        self.row = msgspec.structs.replace(self.row, state=step.state)
        self.done = step.state is OutboxState.DONE

    @precondition(lambda self: self.done)
    @rule()
    def nothing_more(self) -> None:
        """A row that is done is nobody's any more."""

    @invariant()
    def once(self) -> None:
        """It never happens twice, and is never said to be done when it was not."""
        assert self.outside.moved <= 1
        assert not self.done or self.outside.moved == 1


class Blindly(Sending):
    """The negative control: without the look-up."""

    looks_up = False


def test_once_whatever_happens() -> None:
    Sending.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)

    Sending.TestCase().runTest()


def test_without_the_look_up_it_happens_twice() -> None:
    Blindly.TestCase.settings = settings(max_examples=500, stateful_step_count=30, deadline=None, database=None)

    with pytest.raises(AssertionError):
        Blindly.TestCase().runTest()
