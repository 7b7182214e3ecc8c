"""Scripts that Redis stops halfway, because their user may not use a command: it is finished later, or never was.

On a real Redis. Rights are the only thing that it looks at in the middle of a script; at memory, disk and role it looks
before the first write.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.resources import files

import pytest
import redis
from redis.exceptions import RedisError, ResponseError

from stack import Stack
from tests.contract.redis.arena import CREATED_MS, CRUCIBLE, FENCE, OWNERS_FROM, Arena, outcome
from tests.contract.redis.rows import apply, state
from watcher.model.effects import EntryGone, EntryState, EntryVerdict
from watcher.model.vote import Vote, VoteOutcome
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, admit_command
from watcher.redis.freeze import freeze
from watcher.redis.refusals import refusal
from watcher.redis.rehearsal import COMMANDS, refused, rehearse
from watcher.redis.rehearsal import WRITES as WRITING
from watcher.redis.vote import Ballot, votes_command
from watcher.redis.vote_log import VoteLog

JUDGE, OTHER = 5, 6
REFUSED = r"permission|can't run"
USER, PASSWORD = "limited", "no-secret"
LIMITED = ("hset", "zadd", "sadd", "xadd", "hincrby")
"""What a vote writes with."""

Without = Callable[[str], redis.Redis]


@pytest.fixture
def without(client: redis.Redis, server: Stack) -> Iterator[Without]:
    """A client of a user who may do everything but one command."""
    opened: list[redis.Redis] = []

    def connect(command: str) -> redis.Redis:
        client.execute_command(
            "ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", "~*", "&*", "+@all", f"-{command}"
        )
        opened.append(redis.Redis.from_url(server.redis.url, username=USER, password=PASSWORD, decode_responses=True))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()
    client.execute_command("ACL", "DELUSER", USER)


@pytest.fixture
def arena(client: redis.Redis) -> Arena:
    """A crucible to vote in."""
    return Arena(client)


FIRST = Ballot(Vote(CRUCIBLE, JUDGE, 1, 2))
TOGETHER = (FIRST, Ballot(Vote(CRUCIBLE, OTHER, 2, 3)), Ballot(Vote(CRUCIBLE, JUDGE, 3, 2)))
"""Of which the later ones move what the earlier ones have moved."""


def torn(arena: Arena, limited: redis.Redis, ballots: Sequence[Ballot] = (FIRST,)) -> None:
    """Votes of one call, of which Redis refuses a part; each of them is told so, or all at once."""
    try:
        answers = limited.execute_command(*votes_command(arena.script.sha, ballots, FENCE, 1_000_000))
    except RedisError as error:
        answers = [error]
    for one in answers:
        with pytest.raises(RedisError, match=REFUSED):
            outcome([one])


@pytest.mark.parametrize("ballots", [(FIRST,), TOGETHER], ids=["one", "some"])
@pytest.mark.parametrize("command", LIMITED)
def test_a_vote_that_was_refused_halfway_is_finished_by_the_next(
    arena: Arena, without: Without, command: str, ballots: tuple[Ballot, ...]
) -> None:
    """The crucible goes on, and whoever was not answered is told the same as the log says."""
    arena.vote(OTHER, 1, 3)
    torn(arena, without(command), ballots)
    logged = len(arena.log())

    after = arena.vote(OTHER, 2, 4)
    again = arena.votes(*ballots)

    begun = 0 if command == "xadd" else len(ballots)
    assert isinstance(after, VoteOutcome)
    assert (after.seq, logged) == (2 + begun, 1 + begun)
    first_seq = 2 if begun else 3
    assert [(one.seq, one.repeated) for one in again] == [
        (seq, begun > 0) for seq in range(first_seq, first_seq + len(ballots))
    ]
    assert len(arena.log()) == 2 + len(ballots)
    arena.check()


@pytest.mark.parametrize("ballots", [(FIRST,), TOGETHER], ids=["one", "some"])
@pytest.mark.parametrize("command", LIMITED)
def test_its_own_repeat_finishes_it_too(
    arena: Arena, without: Without, command: str, ballots: tuple[Ballot, ...]
) -> None:
    """Once it may be written; until then it is refused as before, and not counted twice."""
    limited = without(command)
    torn(arena, limited, ballots)
    torn(arena, limited, ballots)

    came = arena.vote(JUDGE, 1, 2)

    assert isinstance(came, VoteOutcome)
    assert (came.winner_elo, came.winner_delta, came.seq, came.repeated) == (1516, 16, 1, command != "xadd")
    assert arena.vote(JUDGE, 2, 1) == "judged_otherwise"
    assert len(arena.log()) == (1 if command == "xadd" else len(ballots))
    arena.check()


def test_votes_of_which_some_outcomes_are_written_get_the_others(arena: Arena) -> None:
    """Redis stopped between two judges: what comes before the outcomes is written, and is not written again."""
    arena.votes(*TOGETHER)
    arena.client.hdel(keys.judged(CRUCIBLE, JUDGE), "2:3")
    arena.client.hset(keys.state(CRUCIBLE), mapping={"seq": 0, "counted": 0})

    assert [(one.seq, one.repeated) for one in arena.votes(*TOGETHER)] == [(1, True), (2, True), (3, True)]

    state = arena.client.hmget(keys.state(CRUCIBLE), "seq", "counted")
    assert state == ["3", "3"]
    assert arena.held()["ratings"] == arena.due()["ratings"]
    assert arena.held()["votes"] == arena.due()["votes"]


@pytest.mark.parametrize("places", [[("1-1", 1), ("1-3", 1)], [("1-1", 1), ("1-2", 2)], [("1-2", 1)]])
def test_what_is_no_votes_of_one_call_is_not_finished(arena: Arena, places: list[tuple[str, int]]) -> None:
    """Numbers with a gap, votes of two moments: nobody has left those, so the other stores are asked."""
    for place, at in places:
        fields = {"w": 1, "l": 2, "u": JUDGE, "t": at, "we": 1516, "le": 1484}
        arena.client.xadd(keys.log(CRUCIBLE), fields, id=place)  # type: ignore[arg-type]

    assert arena.vote(OTHER, 1, 2) == "unverified"
    assert arena.client.hget(keys.votes(CRUCIBLE), "1") is None


@pytest.mark.parametrize("most", [1, 100])
@pytest.mark.parametrize("ballots", [(FIRST,), TOGETHER], ids=["one", "some"])
def test_no_vote_leaves_the_log_before_it_is_finished(
    arena: Arena, without: Without, server: Stack, ballots: tuple[Ballot, ...], most: int
) -> None:
    """The drain finishes it, if it may, and leaves it where it is if not; votes before it go."""
    before = () if most == 1 else (arena.vote(OTHER, 3, 4),)
    torn(arena, without("hset"), ballots)
    with redis.Redis.from_url(server.redis.url, username=USER, password=PASSWORD) as limited:
        assert [vote.seq for vote in VoteLog(limited).heads([CRUCIBLE], most)[CRUCIBLE]] == [1][: len(before)]
    assert arena.client.hget(keys.votes(CRUCIBLE), "1") is None

    with redis.Redis.from_url(server.redis.url) as plain:
        votes = VoteLog(plain).heads([CRUCIBLE], most)[CRUCIBLE]

    assert [(vote.user_id, vote.seq) for vote in votes[len(before) :]] == [
        (ballot.vote.user_id, seq) for seq, ballot in enumerate(ballots, 1 + len(before))
    ][:most]
    arena.check()


@pytest.mark.parametrize("ballots", [(FIRST,), TOGETHER], ids=["one", "some"])
def test_a_freeze_counts_what_was_begun(arena: Arena, without: Without, ballots: tuple[Ballot, ...]) -> None:
    """What is in the log goes to the other stores, so the place of the last vote is its."""
    torn(arena, without("hset"), ballots)

    assert freeze(arena.client, CRUCIBLE, FENCE) == (1, len(ballots))
    arena.check()


def test_a_number_that_somebody_else_used_has_the_crucible_compared(arena: Arena) -> None:
    """Where nobody can tell which vote it was: votes are refused until the other stores were asked, not for ever."""
    arena.client.xadd(keys.log(CRUCIBLE), {"w": 1}, id="1-7")

    assert arena.vote(JUDGE, 1, 2) == "unverified"
    assert arena.client.hget(keys.state(CRUCIBLE), "fence") is None


WRITES = ("hset", "hdel", "zadd", "zrem", "sadd", "srem", "expire", "persist")
ENTRY = EntryState(CRUCIBLE, 1, OWNERS_FROM + 1, 10, CREATED_MS - 1)
CHANGES = {
    "another image": lambda client: apply(client, [(9, EntryState(CRUCIBLE, 1, OWNERS_FROM + 1, 77, CREATED_MS - 1))]),
    "another time": lambda client: apply(client, [(9, EntryState(CRUCIBLE, 1, OWNERS_FROM + 1, 10, CREATED_MS))]),
    "gone": lambda client: apply(client, [(9, EntryGone(CRUCIBLE, 1))]),
    "gone and back": lambda client: apply(client, [(9, EntryGone(CRUCIBLE, 1))]) or apply(client, [(10, ENTRY)]),
    "rejected": lambda client: apply(client, [(9, EntryVerdict(CRUCIBLE, 1, 10, takes_part=False))]),
    "ended": lambda client: apply(client, [(9, state(CRUCIBLE, "Completed", start_at=None, end_at=None))]),
    "another level": lambda client: client.execute_command(*admit_command(CRUCIBLE, [Placement(1, 4, 10)])),
    "hidden": lambda client: client.execute_command(*admit_command(CRUCIBLE, [Placement(1, 0, 10)])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_refused_halfway_is_done_when_it_comes_again(
    client: redis.Redis, without: Without, change: str
) -> None:
    """Whatever right is missing when a row or a placement comes first, in the end Redis shows the same."""
    came = {}
    for command in ("", *WRITES):
        client.flushall()
        arena = Arena(client)
        client.script_load(ADMIT.text)
        assert isinstance(arena.vote(JUDGE, 1, 2), VoteOutcome)
        if command:
            with suppress(RedisError):  # not each needs each right
                CHANGES[change](without(command))
        CHANGES[change](client)
        came[command] = _everything(client)

    assert all(one == came[""] for one in came.values()), {
        command: sorted(set(map(str, one.items())) ^ set(map(str, came[""].items()))) for command, one in came.items()
    }


def _everything(client: redis.Redis) -> dict[str, object]:
    """What Redis holds, and whether it expires; but for what says when."""
    read = {"hash": client.hgetall, "set": client.smembers, "string": client.get}
    found: dict[str, object] = {}
    for name in client.scan_iter():
        kind = str(client.type(name))
        if kind == "zset":
            held: object = client.zrange(name, 0, -1, withscores=True)
        elif kind == "stream":
            held = client.xlen(name)
        else:
            held = read[kind](name)
        if name == keys.judged(CRUCIBLE, JUDGE):
            held = len(held)  # type: ignore[arg-type]
        found[name] = (held, int(client.ttl(name)) > 0)  # type: ignore[arg-type]
    return found


def test_what_would_be_refused_is_known_without_writing(client: redis.Redis, without: Without) -> None:
    """Of rights and of memory, by command and with Redis' words; nothing is left behind."""
    assert rehearse(client) == {}
    told = rehearse(without("zadd"))
    client.config_set("maxmemory", 1)
    try:
        full = rehearse(client)
    finally:
        client.config_set("maxmemory", 0)

    assert {what.split()[0] for what in told} == {"ZADD"}
    assert {refusal(why) for why in told.values()} == {"noperm"}
    assert {"HSET", "SADD", "XADD"} <= {what.split()[0] for what in full} <= {command[0] for command in WRITING}
    assert {refusal(why) for why in full.values()} == {"oom"}
    assert client.dbsize() == 0


@pytest.mark.parametrize("command", ["scan", "hscan", "time", "xrange", "info"])
def test_what_would_not_be_answered_is_known_too(without: Without, command: str) -> None:
    """A right to read that is missing is missed by whoever walks through all, counts, or proves a result."""
    told = rehearse(without(command))

    assert {what.split()[0] for what in told} == {command.upper()}
    assert {refusal(why) for why in told.values()} == {"noperm"}


def test_a_command_that_was_renamed_is_told() -> None:
    """Redis says that it knows no such command, whether it was renamed or forbidden by its provider."""
    answers: list[object] = ["OK", *["QUEUED"] * len(COMMANDS[1:-1]), "OK"]
    at = COMMANDS.index(next(one for one in COMMANDS if one[0] == "SCAN"))
    answers[at] = ResponseError("unknown command 'SCAN', with args beginning with: '0' ")

    assert refused(answers) == {"SCAN 0": "unknown command 'SCAN', with args beginning with: '0' "}


def test_all_that_scripts_call_is_rehearsed() -> None:
    """A script that is refused in its middle leaves a half behind, so nothing that it calls may come as a surprise."""
    called = {
        command
        for script in files("watcher.redis.lua").iterdir()
        if script.name.endswith(".lua")
        for command in re.findall(r"redis\.p?call\('([A-Z]+)'", script.read_text(encoding="utf-8"))
    }

    assert len(called) > 20
    assert called - {command[0] for command in COMMANDS} == set()
