"""However many votes wait, Redis is asked for a few hundred at a time: it answers nobody else meanwhile."""

from typing import Any

import pytest

from watcher.model.drain_plan import DrainPlan, Range
from watcher.model.vote import VotesByCrucible
from watcher.redis import vote_log
from watcher.redis.vote_log import VoteLog

MANY = 2_345
FIELDS = {b"w": b"1", b"l": b"2", b"u": b"3", b"t": b"4", b"we": b"1516", b"le": b"1484"}


class Logs:
    """A Redis with logs of one epoch, that counts what each round trip brings."""

    def __init__(self, **votes: int) -> None:
        self._votes = votes
        self._asked: list[tuple[Any, ...]] = []
        self.brought: list[int] = []

    def pipeline(self, *, transaction: bool) -> "Logs":
        assert not transaction
        self._asked = []
        return self

    def execute_command(self, *command: Any) -> None:
        self._asked.append(command)

    def execute(self) -> list[Any]:
        answers = [self._range(*command) for command in self._asked]
        self.brought.append(sum(map(len, answers)))
        return answers

    def _range(self, name: str, key: str, first: str, last: str, *count: Any) -> list[Any]:
        if name == "HMGET":  # how far the state is: whatever is in the log has been counted whole
            return [b"1", b"%d" % MANY]
        assert name == "XRANGE"
        length = next(votes for crucible, votes in self._votes.items() if f"crucible:{crucible[1:]}:" in key)
        low = 1 if first == "-" else int(first.split("-")[1]) + first.startswith("(")
        high = length if last == "+" else min(length, int(last.split("-")[1]))
        if count:
            high = min(high, low + count[1] - 1)
        return [(b"1-%d" % seq, FIELDS) for seq in range(low, high + 1)]


def _sequences(votes: VotesByCrucible) -> dict[int, list[int]]:
    return {crucible_id: [vote.seq for vote in log] for crucible_id, log in votes.items()}


@pytest.mark.parametrize("most", [100_000, 700])
def test_heads_in_pieces(most: int) -> None:
    """All of them, or as many as were asked for, in order and none twice."""
    logs = Logs(c41=MANY, c42=7, c43=0)

    found = _sequences(VoteLog(logs).heads([41, 42, 43], most))  # type: ignore[arg-type]

    assert max(logs.brought) <= vote_log._MAX_VOTES
    assert found[43] == []
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in found.values())
    assert sum(map(len, found.values())) == min(most, MANY + 7)


def test_plan_in_pieces() -> None:
    """Exactly the plan's votes."""
    logs = Logs(c41=MANY, c42=900)
    plan = DrainPlan((Range(41, 1, 5, MANY - 1), Range(42, 1, 2, 900)))

    found = _sequences(VoteLog(logs).read(plan))  # type: ignore[arg-type]

    assert max(logs.brought) <= vote_log._MAX_VOTES
    assert found == {41: list(range(5, MANY)), 42: list(range(2, 901))}
