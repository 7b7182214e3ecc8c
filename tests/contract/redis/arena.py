"""A crucible to vote in, and what Redis must hold after votes: exactly what a replay of its log gives."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.contract.redis.rows import Change, apply, state
from tests.packed import judged_text
from tests.replay import Replayed, replay
from watcher.model.effects import EntryState
from watcher.model.rating import BASE_RATING
from watcher.model.vote import LoggedVote, Vote, VoteOutcome, VoteRefusal, pair_field
from watcher.redis import keys
from watcher.redis.scripts import VOTE, Script
from watcher.redis.vote import Ballot, outcomes, votes_command

CRUCIBLE = 42
FENCE = "0123456789abcdef:fedcba9876543210"
OWNERS_FROM = 900_000
"""The owner of entry 7 is user 900007; judges have lower ids."""
CREATED_MS = 1_760_000_000_000


def outcome(answer: object) -> VoteOutcome | VoteRefusal:
    """What was said of the only vote of a call.

    Raises:
        RedisError: Redis refused to write it.
    """
    (came,) = outcomes(answer)
    if isinstance(came, Exception):
        raise came
    return came


@dataclass
class Arena:
    """A verified, active crucible whose entries are admitted.

    Args:
        client: a Redis that is not shared.
        entries: ids.
    """

    client: redis.Redis
    entries: tuple[int, ...] = (1, 2, 3, 4)
    crucible_id: int = CRUCIBLE
    script: Script = field(default=VOTE)

    def __post_init__(self) -> None:
        self.client.script_load(self.script.text)
        changes: list[Change] = [(1, state(self.crucible_id, start_at=None, end_at=None))]
        changes += [
            (2, EntryState(self.crucible_id, one, OWNERS_FROM + one, one + 9, CREATED_MS - one)) for one in self.entries
        ]
        apply(self.client, changes)
        self.client.hset(keys.state(self.crucible_id), mapping={"fence": FENCE, "counted": 0})
        self.admit(*self.entries)

    def admit(self, *entries: int) -> None:
        """Have judges see entries."""
        for one in entries:
            self.client.hset(keys.admitted(self.crucible_id), str(one), "1")
            self.client.sadd(keys.pool(self.crucible_id, 1), one)
            rating = self.client.hget(keys.elo(self.crucible_id), str(one))
            self.client.zadd(keys.standings(self.crucible_id), {self.standing(one): -int(str(rating))})

    @staticmethod
    def standing(entry: int) -> str:
        """The entry's member in the standings."""
        return keys.standing(CREATED_MS - entry, entry)

    def command(
        self,
        user: int,
        winner: int,
        loser: int,
        *,
        fence: str = FENCE,
        refuse: VoteRefusal | None = None,
        max_log: int = 1_000_000,
    ) -> list[str]:
        """The command of a vote."""
        return votes_command(
            self.script.sha, [Ballot(Vote(self.crucible_id, user, winner, loser), refuse)], fence, max_log
        )

    def vote(self, user: int, winner: int, loser: int, **more: object) -> VoteOutcome | VoteRefusal:
        """Cast a vote."""
        return outcome(self.client.execute_command(*self.command(user, winner, loser, **more)))  # type: ignore[arg-type]

    def votes(self, *ballots: Ballot, fence: str = FENCE, max_log: int = 1_000_000) -> list[Any]:
        """Cast votes in one call."""
        return outcomes(self.client.execute_command(*votes_command(self.script.sha, ballots, fence, max_log)))

    def set(self, **fields: object) -> None:
        """Write fields of the crucible's state."""
        self.client.hset(keys.state(self.crucible_id), mapping=fields)  # type: ignore[arg-type]

    def log(self) -> list[LoggedVote]:
        """The votes that wait for ClickHouse."""
        found = []
        for place, vote in self.client.xrange(keys.log(self.crucible_id)):  # type: ignore[union-attr]
            epoch, _, seq = str(place).partition("-")
            found.append(
                LoggedVote(int(epoch), int(seq), *(int(vote[name]) for name in ("w", "l", "u", "t", "we", "le")))
            )
        return found

    def replayed(self) -> Replayed:
        """The log, cast again."""
        return replay(self.log())

    def held(self) -> dict[str, object]:
        """Everything that votes change, as Redis has it."""
        own = self.crucible_id
        judged = {
            int(user): self.client.hgetall(keys.judged(own, int(user)))
            for user in self.client.smembers(keys.judges(own))  # type: ignore[union-attr]
        }
        return {
            "ratings": _numbers(self.client.hgetall(keys.elo(own))),
            "votes": _numbers(self.client.hgetall(keys.votes(own))),
            "last": self.client.hmget(keys.state(own), "epoch", "seq"),
            "judged": judged,
            "standings": self.client.zrange(keys.standings(own), 0, -1, withscores=True),
        }

    def due(self) -> dict[str, object]:
        """The same, as the log's replay has it: nothing but arithmetic."""
        log = self.log()
        done = replay(log)
        assert done.differing == []
        ratings = dict.fromkeys(self.entries, BASE_RATING) | done.ratings
        ranked = sorted(self.entries, key=lambda one: (-ratings[one], CREATED_MS - one, one))
        before = dict.fromkeys(self.entries, BASE_RATING)
        judged: dict[int, dict[str, str]] = {}
        for vote in log:
            points = vote.winner_elo - before[vote.winner]
            before[vote.winner], before[vote.loser] = vote.winner_elo, vote.loser_elo
            came = VoteOutcome(
                vote.winner_elo, vote.loser_elo, points, vote.epoch, vote.seq, vote.ms, repeated=False
            )  # fmt: skip
            pairs = judged.setdefault(vote.user_id, {})
            assert pair_field(vote.winner, vote.loser) not in pairs, "a pair counted twice for one judge"
            pairs[pair_field(vote.winner, vote.loser)] = judged_text(vote.winner, came)
        return {
            "ratings": ratings,
            "votes": done.votes,
            "last": [str(done.last[0] or 1), str(done.last[1])],
            "judged": judged,
            "standings": [(self.standing(one), -ratings[one]) for one in ranked],
        }

    def check(self) -> None:
        """Redis holds what the log adds up to, and no point came or went."""
        held = self.held()
        assert held == self.due()
        assert sum(held["ratings"].values()) == BASE_RATING * len(self.entries)  # type: ignore[attr-defined]


def counted(outcomes: Iterable[VoteOutcome | VoteRefusal]) -> list[VoteOutcome]:
    """Those that were votes of their own."""
    return [one for one in outcomes if isinstance(one, VoteOutcome) and not one.repeated]


def _numbers(given: object) -> dict[int, int]:
    return {int(name): int(value) for name, value in given.items()}  # type: ignore[attr-defined]
