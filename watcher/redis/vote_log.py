"""The vote logs in Redis, as their drain sees them: which hold votes, what is in them, and the plan that is open.

Every call can be made by several processes at once: what matters is decided by commands that Redis carries out whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from watcher.model.drain_plan import PLAN_VERSION, DrainPlan, Range, plan_from_text, plan_version
from watcher.model.errors import TemporaryError
from watcher.model.vote import LoggedVote, VotesByCrucible
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary, node_identities, run_script
from watcher.redis.scripts import script

_DELETE_IF_SAME: Final = script("delete_if_same")
_FINISH: Final = script("finish")


class VoteLog:
    """The logs of all crucibles.

    Args:
        client: Redis; every method raises ``TemporaryError`` while it is away.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def hints(self, bucket: int) -> list[int]:
        """Return the ids of crucibles of a bucket whose log may hold votes."""
        with away_is_temporary():
            return [int(one) for one in cast("set[bytes]", self._client.smembers(keys.undrained(bucket)))]

    def quiet(self) -> set[int]:
        """Return the buckets without an open plan and without hints.

        Most of the time that is every one, and then it is one command, or one for each slot of a cluster.
        """
        buckets = range(keys.BUCKETS)
        with away_is_temporary():
            names = [name for bucket in buckets for name in (keys.drain(bucket), keys.undrained(bucket))]
            if not self._client.exists(*names):
                return set(buckets)
        answers = self._pipe(
            command
            for bucket in buckets
            for command in (("EXISTS", keys.drain(bucket)), ("SCARD", keys.undrained(bucket)))
        )
        return {bucket for bucket in buckets if not any(answers[2 * bucket : 2 * bucket + 2])}

    def oldest(self, crucible_id: int) -> tuple[int, int] | None:
        """Return epoch and number of the oldest vote in a crucible's log; None if it is empty."""
        (found,) = self._pipe([("XRANGE", keys.log(crucible_id), "-", "+", "COUNT", 1)])
        votes = _votes(found)
        return (votes[0].epoch, votes[0].seq) if votes else None

    def heads(self, crucible_ids: Sequence[int], most: int) -> VotesByCrucible:
        """Return the oldest votes of some logs, at most so many in all; a log that is empty gets an empty list.

        The logs share what there is to share: each is asked for its part, and what one does not need the next may have.
        """
        found: dict[int, list[LoggedVote]] = {}
        left, waiting = most, list(crucible_ids)
        portion = max(1, min(most // max(1, len(waiting)), _MAX_VOTES))
        logs = max(1, _MAX_VOTES // portion)
        while waiting and left > 0:
            asked, waiting = waiting[:logs], waiting[logs:]
            answers = self._pipe(("XRANGE", keys.log(one), "-", "+", "COUNT", portion) for one in asked)
            for crucible_id, answer in zip(asked, answers, strict=True):
                found[crucible_id] = _votes(answer)
                left -= len(found[crucible_id])
        self._read_on([one for one, votes in found.items() if len(votes) == portion], found, left)
        self._finish_last(found)
        return found

    def _finish_last(self, found: Mapping[int, list[LoggedVote]]) -> None:
        """Have the last votes of each log counted whole, and leave them out for now where that cannot be done.

        What is in the log and not in the state is what Redis refused a part of.
        """
        voted = [one for one, votes in found.items() if votes]
        states = self._pipe(("HMGET", keys.state(one), "epoch", "seq") for one in voted)
        for crucible_id, (epoch, seq) in zip(voted, states, strict=True):
            votes = found[crucible_id]
            if epoch is None or not _is_beyond(votes[-1], int(epoch), int(seq)):
                continue
            finished = False
            with suppress(TemporaryError):  # the right may be missing still; the others' votes do not wait for that
                finished = bool(run_script(self._client, _FINISH, [keys.elo(crucible_id)]))
            while not finished and votes and _is_beyond(votes[-1], int(epoch), int(seq)):
                votes.pop()

    def _read_on(self, crucible_ids: list[int], found: dict[int, list[LoggedVote]], left: int) -> None:
        """Read on in the logs that had more than their part, some of each in turn."""
        while crucible_ids and left > 0:
            longer = []
            for crucible_id in crucible_ids:
                votes, asked = found[crucible_id], min(left, _MAX_VOTES)
                if not asked:
                    break
                after = f"({votes[-1].epoch}-{votes[-1].seq}"
                (answer,) = self._pipe([("XRANGE", keys.log(crucible_id), after, "+", "COUNT", asked)])
                votes.extend(_votes(answer))
                left -= len(answer)
                if len(answer) == asked:
                    longer.append(crucible_id)
            crucible_ids = longer

    def identities(self, crucible_ids: Iterable[int]) -> dict[int, str]:
        """Return the identities of the Redis processes that hold some logs, by crucible.

        Asked after the logs were read, each is that of the process that they were read from, or of a younger one.
        """
        ids = list(crucible_ids)
        with away_is_temporary():
            return dict(zip(ids, node_identities(self._client, [keys.log(one) for one in ids]), strict=True))

    def read(self, plan: DrainPlan) -> VotesByCrucible:
        """Return the plan's votes, but for those that were trimmed; whoever trims has seen them in ClickHouse."""
        found: dict[int, list[LoggedVote]] = {}
        for piece in _pieces(plan.ranges):
            answers = self._pipe(
                ("XRANGE", keys.log(part.crucible_id), f"{part.epoch}-{part.first}", f"{part.epoch}-{part.last}")
                for part in piece
            )
            for part, answer in zip(piece, answers, strict=True):
                if answer:
                    found.setdefault(part.crucible_id, []).extend(_votes(answer))
        return found

    def open_plan(self, bucket: int) -> DrainPlan | None:
        """Return the plan that is open; a damaged one is taken away, because its votes are still in their logs.

        Raises:
            TemporaryError: also for a plan of another version. Whoever opened it may be writing it just now, and under
                another name its rows would come twice.
        """
        with away_is_temporary():
            text = cast("bytes | None", self._client.get(keys.drain(bucket)))
        if text is None:
            return None
        plan = plan_from_text(text)
        if plan is None:
            version = plan_version(text)
            if version is not None and version != PLAN_VERSION:
                raise TemporaryError(
                    f"{keys.drain(bucket)} holds a drain plan of version {version}, this program knows "
                    f"{PLAN_VERSION}: its votes wait for a program of the version that opened it; run one"
                )
            self._delete(bucket, text)
        return plan

    def name(self, bucket: int, plan: DrainPlan) -> bool:
        """Open a plan, and return True; False if one is open already."""
        with away_is_temporary():
            return bool(self._client.set(keys.drain(bucket), plan.text, nx=True))

    def holds(self, bucket: int, plan: DrainPlan) -> bool:
        """Return whether this plan is still the one that is open."""
        with away_is_temporary():
            return bool(self._client.get(keys.drain(bucket)) == plan.text)

    def close(self, bucket: int, plan: DrainPlan) -> None:
        """Take away a plan that is done; another one that is open by now stays."""
        self._delete(bucket, plan.text)

    def _delete(self, bucket: int, text: bytes) -> None:
        run_script(self._client, _DELETE_IF_SAME, [keys.drain(bucket)], text)

    def trim(self, ranges: Iterable[Range]) -> None:
        """Take votes out of their logs, with all before them; for good."""
        self._pipe(
            ("XTRIM", keys.log(part.crucible_id), "MINID", "=", f"{part.epoch}-{part.last + 1}") for part in ranges
        )

    def lengths(self, crucible_ids: Sequence[int]) -> Mapping[int, int]:
        """Return the number of votes in each of some logs, by crucible."""
        return dict(zip(crucible_ids, self._pipe(("XLEN", keys.log(one)) for one in crucible_ids), strict=True))

    def hint(self, crucible_ids: Iterable[int]) -> None:
        """Note that these logs may hold votes."""
        self._pipe(("SADD", keys.undrained(keys.bucket(one)), one) for one in crucible_ids)

    def forget(self, bucket: int, crucible_ids: Sequence[int]) -> None:
        """Take the hints of logs away that were empty. One that got a vote meanwhile keeps its hint."""
        if crucible_ids:
            self._pipe(("SREM", keys.undrained(bucket), one) for one in crucible_ids)
            self.hint(one for one, votes in self.lengths(crucible_ids).items() if votes)

    def _pipe(self, commands: Iterable[tuple[str | int, ...]]) -> list[Any]:
        with away_is_temporary():
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return cast("list[Any]", pipeline.execute())


_MAX_LOGS: Final = 500
"""Logs whose lengths are asked for in one round trip."""
_MAX_VOTES: Final = 500
"""Votes read in one round trip. Larger: Redis, which answers nobody else meanwhile, keeps judges waiting for more than
two milliseconds; smaller: more round trips."""


def _pieces(ranges: Iterable[Range]) -> Iterator[list[Range]]:
    """Return the same votes, in pieces for one round trip each.

    >>> [[(one.first, one.last) for one in piece] for piece in _pieces([Range(42, 1, 5, 499), Range(43, 1, 1, 600)])]
    [[(5, 499), (1, 5)], [(6, 505)], [(506, 600)]]
    """
    piece, room = list[Range](), _MAX_VOTES
    for part in ranges:
        first = part.first
        while first <= part.last:
            last = min(part.last, first + room - 1)
            piece.append(part._replace(first=first, last=last))
            room -= last - first + 1
            first = last + 1
            if not room:
                yield piece
                piece, room = [], _MAX_VOTES
    if piece:
        yield piece


def hint_undrained(log: VoteLog, crucible_ids: Sequence[int]) -> None:
    """Have the logs of these crucibles that hold votes drained, whatever became of their hints.

    Raises:
        TemporaryError: Redis is away.
    """
    for first in range(0, len(crucible_ids), _MAX_LOGS):
        lengths = log.lengths(crucible_ids[first : first + _MAX_LOGS])
        log.hint(one for one, votes in lengths.items() if votes)


def _is_beyond(vote: LoggedVote, epoch: int, seq: int) -> bool:
    return vote.epoch == epoch and vote.seq > seq


def _votes(answer: Sequence[tuple[bytes, Mapping[bytes, bytes]]] | None) -> list[LoggedVote]:
    """Return the votes of a log's entries, as the vote's script writes them."""
    votes = []
    for place, fields in answer or ():
        if b"cut" in fields:
            continue  # the place of a vote that was never cast, which the next comparison gives up
        epoch, _, seq = place.partition(b"-")
        winner, loser, user, ms = fields[b"w"], fields[b"l"], fields[b"u"], fields[b"t"]
        votes.append(
            LoggedVote(
                int(epoch), int(seq), int(winner), int(loser), int(user), int(ms), int(fields[b"we"]),
                int(fields[b"le"]),
            )
        )  # fmt: skip
    return votes
