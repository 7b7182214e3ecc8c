"""Votes at once, from many processes and connections: what is left is what a serial order gives, namely the log's."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import msgspec
import pytest
import redis
import redis.asyncio

from stack import Stack
from tests.awaiting import await_that
from tests.contract.redis.arena import Arena, counted, outcome
from tests.contract.redis.rows import apply, state
from tests.contract.redis.voters import Orders
from tests.replay import replay
from tests.stack.watching import REPOSITORY
from watcher.model.vote import LoggedVote, Vote, VoteOutcome, VoteRefusal
from watcher.redis import keys
from watcher.redis.scripts import VOTE

PROCESSES = 4
CONNECTIONS = 200
JUDGE = 5
Answers = list[tuple[Vote, VoteOutcome | VoteRefusal]]


class Voters:
    """Processes that vote at the same time.

    Args:
        url: Redis' address.
        orders: what all of them do; each has a seed of its own.
    """

    def __init__(self, url: str, **orders: Any) -> None:
        self._processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.contract.redis.voters",
                    json.dumps(asdict(Orders(url=url, seed=n, **orders))),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=REPOSITORY,
            )
            for n in range(PROCESSES)
        ]

    def go(self) -> None:
        """Wait until all are connected, then have them begin."""
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    def answers(self) -> list[Answers]:
        """What each process was answered, once all have ended."""
        found = []
        for process in self._processes:
            said, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            found.append([_read(*one) for one in json.loads(said)])
        return found

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
            process.communicate()


def _read(crucible_id: int, user_id: int, winner: int, loser: int, told: Any) -> tuple[Vote, VoteOutcome | VoteRefusal]:
    came = VoteRefusal(told) if isinstance(told, str) else VoteOutcome(*told[:6], repeated=bool(told[6]))
    return Vote(crucible_id, user_id, winner, loser), came


@contextmanager
def voting(server: Stack, **orders: Any) -> Iterator[Voters]:
    voters = Voters(server.redis.url, **orders)
    try:
        voters.go()
        yield voters
    finally:
        voters.close()


def check_answers(arena: Arena, answers: Sequence[Answers]) -> int:
    """Each answer is what the log says, each logged vote was answered once as a new one; returns their number."""
    arena.check()
    log = {vote.seq: vote for vote in arena.log()}
    news: Counter[int] = Counter()
    for vote, came in (one for each in answers for one in each):
        if isinstance(came, VoteOutcome):
            logged = log[came.seq]
            assert (logged.winner, logged.loser, logged.user_id) == (vote.winner, vote.loser, vote.user_id)
            assert (logged.winner_elo, logged.loser_elo, logged.ms) == (came.winner_elo, came.loser_elo, came.ms)
            news[came.seq] += not came.repeated
    assert news == dict.fromkeys(log, 1)
    return len(log)


def test_many_processes_leave_what_a_replay_of_the_log_gives(server: Stack, client: redis.Redis) -> None:
    """Ratings, counts, standings, judges and every judge's outcomes; repeats and contradictions among them."""
    arena = Arena(client, entries=tuple(range(1, 31)))

    with voting(server, entries=30, judges=20, votes=2_000) as voters:
        answers = voters.answers()

    assert check_answers(arena, answers) > 4_000
    kinds = Counter(came if isinstance(came, VoteRefusal) else came.repeated for each in answers for _, came in each)
    assert kinds.keys() == {True, False, VoteRefusal.JUDGED_OTHERWISE}


def test_without_the_script_votes_overwrite_each_other(server: Stack, client: redis.Redis) -> None:
    """The same voters that read, calculate and write: the check above sees it."""
    arena = Arena(client, entries=(1, 2, 3))

    with voting(server, entries=3, judges=20, votes=500, torn=True) as voters:
        voters.answers()

    logged = client.xrange(keys.log(arena.crucible_id))
    log = [
        LoggedVote(1, number, int(vote["w"]), int(vote["l"]), int(vote["u"]), 0, int(vote["we"]), int(vote["le"]))
        for number, (_, vote) in enumerate(logged, 1)  # type: ignore[arg-type]
    ]
    assert replay(log).differing


def at_once(url: str, commands: Sequence[list[str]]) -> list[VoteOutcome | VoteRefusal]:
    """Each command over a connection of its own, all of them under way before the first answer is read."""

    async def run() -> list[VoteOutcome | VoteRefusal]:
        pool = redis.asyncio.ConnectionPool.from_url(url)
        connections = [pool.make_connection() for _ in commands]
        await asyncio.gather(*(one.connect() for one in connections))
        await asyncio.gather(*(one.send_command(*said) for one, said in zip(connections, commands, strict=True)))
        answers = await asyncio.gather(*(one.read_response() for one in connections))
        await asyncio.gather(*(one.disconnect() for one in connections))
        return [outcome(answer) for answer in answers]

    return asyncio.run(run())


def test_one_vote_over_two_hundred_connections_counts_once(server: Stack, client: redis.Redis) -> None:
    """One is the vote, the others are its repeats, and all are told the same."""
    arena = Arena(client)

    answers = at_once(server.redis.url, [arena.command(JUDGE, 1, 2)] * CONNECTIONS)

    (first,) = counted(answers)
    again = msgspec.structs.replace(first, repeated=True)
    assert Counter(map(repr, answers)) == {repr(first): 1, repr(again): CONNECTIONS - 1}
    assert len(arena.log()) == 1
    arena.check()


def test_of_both_ways_round_at_once_one_wins(server: Stack, client: redis.Redis) -> None:
    """Whichever comes first: half of the connections get its outcome, the others a refusal."""
    arena = Arena(client)
    ways = [arena.command(JUDGE, 1, 2), arena.command(JUDGE, 2, 1)] * (CONNECTIONS // 2)

    answers = at_once(server.redis.url, ways)

    assert len(counted(answers)) == 1
    (winner,) = {vote.winner for vote in arena.log()}
    for number, came in enumerate(answers):
        assert isinstance(came, VoteOutcome) == (number % 2 + 1 == winner)
        assert isinstance(came, VoteOutcome) or came is VoteRefusal.JUDGED_OTHERWISE
    arena.check()


def test_judges_who_share_an_entry_all_count(server: Stack, client: redis.Redis) -> None:
    """Two hundred judges on one pair: two hundred votes, no points lost."""
    arena = Arena(client)

    answers = at_once(server.redis.url, [arena.command(judge, 1, 2) for judge in range(1, CONNECTIONS + 1)])

    assert sorted(one.seq for one in counted(answers)) == list(range(1, CONNECTIONS + 1))
    arena.check()


def ends_soon(arena: Arena) -> int:
    """Have the crucible end in half a second by Redis' clock; returns when, in milliseconds since 1970."""
    seconds, micros = arena.client.time()  # type: ignore[misc]
    end = int(seconds) * 1000 + int(micros) // 1000 + 500
    apply(arena.client, [(9, state(arena.crucible_id, start_at=None, end_at=end))])
    return end


def test_votes_around_the_end_are_in_or_out(server: Stack, client: redis.Redis) -> None:
    """Those that were answered as votes are whole and in time; the others have left nothing, and stay out."""
    arena = Arena(client, entries=tuple(range(1, 31)))

    with voting(server, entries=30, judges=100_000, abreast=1) as voters:
        end = ends_soon(arena)
        answers = voters.answers()

    assert check_answers(arena, answers) > 0
    assert max(vote.ms for vote in arena.log()) <= end
    assert all(each[-1][1] is VoteRefusal.ENDED for each in answers)
    mine = [(vote, came) for vote, came in answers[0] if isinstance(came, VoteOutcome)]
    for vote, came in (*mine[:1], *mine[-1:]):
        again = arena.vote(vote.user_id, vote.winner, vote.loser)
        assert again == msgspec.structs.replace(came, repeated=True)


def test_without_the_clock_votes_come_after_the_end(server: Stack, client: redis.Redis) -> None:
    """A script whose clock stands a little behind, as a caller's may, lets some in: the check above sees it."""
    weak = VOTE.text.replace("now > ends", "now - 100 > ends")
    assert weak != VOTE.text
    arena = Arena(client, entries=tuple(range(1, 31)))

    with voting(server, entries=30, judges=100_000, abreast=1, script=weak) as voters:
        end = ends_soon(arena)
        voters.answers()

    assert max(vote.ms for vote in arena.log()) > end


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_redis_that_dies_among_votes_keeps_those_it_answered(server: Stack, client: redis.Redis, how: str) -> None:
    """With ``appendfsync always``: after a restart on its own file each answered vote is there, and each whole."""
    client.config_set("appendfsync", "always")
    arena = Arena(client, entries=tuple(range(1, 31)))

    with voting(server, entries=30, judges=100_000) as voters:
        await_that(lambda: int(client.xlen(keys.log(arena.crucible_id))) > 200, "votes")  # type: ignore[arg-type]
        getattr(server.redis, how)()
        answers = voters.answers()
    server.redis.start()
    server.redis.await_ready()

    arena.check()
    log = {vote.seq: vote for vote in arena.log()}
    answered = [came for each in answers for _, came in each if isinstance(came, VoteOutcome)]
    assert len(answered) > 100
    for came in answered:
        assert (log[came.seq].winner_elo, log[came.seq].loser_elo, log[came.seq].ms) == (
            came.winner_elo, came.loser_elo, came.ms,
        )  # fmt: skip
    client.script_load(VOTE.text)
    assert isinstance(arena.vote(JUDGE, 1, 2), VoteOutcome)
    arena.check()


def test_a_redis_without_its_file_forgets_answered_votes(server: Stack, client: redis.Redis) -> None:
    """What the append-only file is for: switched off, an answered vote is gone after a kill."""
    arena = Arena(client)
    client.config_set("appendonly", "no")
    assert isinstance(arena.vote(JUDGE, 1, 2), VoteOutcome)
    server.redis.kill()
    server.redis.start()
    server.redis.await_ready()

    assert arena.log() == []
