"""Processes that vote at the same time."""

from collections.abc import Mapping
from multiprocessing.connection import Connection
from random import Random

import msgspec
import redis

from tests.forked import SERVER
from tests.votes.judges import Cast, send
from watcher.model.vote import Vote, VoteOutcome

PROCESSES = 4
ABREAST = 200
"""Votes in one round trip: as many as Redis writes to its disk at once."""
PATIENCE_SECONDS = 600.0
"""For a process that casts its part of a hundred thousand votes."""
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
    voting = []
    for number in range(PROCESSES):
        here, there = SERVER.Pipe()
        process = SERVER.Process(target=judge, args=(there,), daemon=True)
        process.start()
        there.close()
        orders = Orders(url, dict(entries), each, first_judge + number * each, number)
        here.send_bytes(msgspec.json.encode(orders))
        voting.append((process, here))
    for process, here in voting:
        assert here.poll(PATIENCE_SECONDS)
        said = msgspec.json.decode(here.recv_bytes(), type=Said)
        process.join()
        here.close()
        cast.counted.update(said.counted)
        cast.refused.update(said.refused)
        cast.unanswered += said.unanswered


def judge(orders: Connection) -> None:
    """Be one of the processes: take orders, vote, say what was answered."""
    said = main(msgspec.json.decode(orders.recv_bytes(), type=Orders))
    orders.send_bytes(msgspec.json.encode(said))


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
