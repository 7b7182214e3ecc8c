"""Processes that vote at the same time: ``python -m tests.votes.crowd``, with its orders as JSON on its input."""

import subprocess
import sys
from collections.abc import Mapping
from random import Random

import msgspec
import redis

from tests.acceptance.daemon import REPOSITORY
from tests.votes.judges import Cast, send
from watcher.model.vote import Vote, VoteOutcome

PROCESSES = 4
ABREAST = 200
"""Votes in one round trip: as many as Redis writes to its disk at once."""
PAIRS = 10
"""Judged by each judge."""


class Orders(msgspec.Struct, frozen=True):
    """What one process is to do."""

    url: str
    entries: dict[int, list[int]]
    """By crucible, ids of those that may be voted on."""
    votes: int
    first_judge: int
    seed: int


class Said(msgspec.Struct, frozen=True):
    """What its judges were answered."""

    counted: list[tuple[tuple[int, int, int, int], VoteOutcome]]
    refused: dict[str, int]
    unanswered: int


def crowd(url: str, entries: Mapping[int, list[int]], votes: int, first_judge: int, cast: Cast) -> None:
    """Have several processes vote on the same crucibles, and wait for them.

    Args:
        url: Redis' address.
        entries: by crucible, ids of those that may be voted on.
        votes: of all processes together; no judge meets a pair twice.
        first_judge: judges have ids from this on.
        cast: takes the answers.
    """
    each = votes // PROCESSES
    processes = []
    for number in range(PROCESSES):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.votes.crowd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        assert process.stdin is not None
        orders = Orders(url, dict(entries), each, first_judge + number * each, number)
        process.stdin.write(msgspec.json.encode(orders))
        process.stdin.close()
        process.stdin = None  # or it would be flushed again
        processes.append(process)
    for process in processes:
        answer, _ = process.communicate(timeout=600)
        assert process.returncode == 0
        said = msgspec.json.decode(answer, type=Said)
        cast.counted.update(said.counted)
        cast.refused.update(said.refused)
        cast.unanswered += said.unanswered


def main(orders: Orders) -> Said:
    """Vote."""
    random, cast = Random(orders.seed), Cast()
    crucibles = list(orders.entries.items())
    judge, left, waiting = orders.first_judge, orders.votes, list[Vote]()
    with redis.Redis.from_url(orders.url) as client:
        while left or waiting:
            while left and len(waiting) < ABREAST:
                crucible_id, entries = random.choice(crucibles)
                some = _pairs(random, entries, min(PAIRS, left))
                waiting += [Vote(crucible_id, judge, *pair) for pair in some]
                judge, left = judge + 1, left - len(some)
            send(client, waiting[:ABREAST], cast)
            waiting = waiting[ABREAST:]
    return Said(list(cast.counted.items()), dict(cast.refused), cast.unanswered)


def _pairs(random: Random, entries: list[int], wanted: int) -> list[tuple[int, int]]:
    """Different pairs, each some way round."""
    found: dict[frozenset[int], tuple[int, int]] = {}
    while len(found) < wanted:
        one, other = random.sample(entries, 2)
        found[frozenset((one, other))] = one, other
    return list(found.values())


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(main(msgspec.json.decode(sys.stdin.buffer.read(), type=Orders))))
