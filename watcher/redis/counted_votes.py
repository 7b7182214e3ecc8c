"""The votes that count in a crucible, as Redis has written them down for their judges: each whole, as it was cast.

What a judge said of a pair stays there for as long as the crucible does, so that a repeat is answered with what the
vote got. Whoever lacks a vote can have it from there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from watcher.model.vote import LoggedVote
from watcher.redis import keys
from watcher.redis.client import Client, away_is_temporary
from watcher.redis.locked_crucible import fence
from watcher.redis.vote_log import VoteLog

JUDGES: Final = 100
"""Judges of one round trip. More: Redis, which answers one at a time, keeps votes waiting; fewer: more round trips."""
FIELDS: Final = 200
"""Fields of one answer about a judge, about as many votes; of one whose votes a rebuild has packed, 500 votes each.
More: longer answers; fewer: more round trips."""
_OUTCOME: Final = re.compile(rb"(?:^| )(\d+):(\d+)=(\d+):(\d+):(\d+):(-?\d+):(-?\d+):(\d+)(?=[ :]|$)")
"""A pair, and of the vote on it the winner, epoch, number, both ratings after it, and when it counted."""


class CountedVotes:
    """Reads the votes of one crucible after the other.

    Args:
        client: Redis; every method raises ``TemporaryError`` while it is away.
    """

    def __init__(self, client: Client) -> None:
        self._client, self._log = client, VoteLog(client)

    def drained_until(self, crucible_id: int) -> tuple[int, int] | None:
        """Return epoch and number of the first vote that may not be in ClickHouse yet, or that is still to be cast.

        None where it is not known whether what Redis holds are the votes that count: it holds no such crucible, has not
        compared it since it was started, or holds a part of a vote that was cut off.
        """
        identity, compared_in = fence(self._client, crucible_id)
        if identity != compared_in:
            return None
        names = ["epoch", "seq", "before", "counted", "rebuilding"]
        with away_is_temporary():
            told = cast("list[bytes | None]", self._client.hmget(keys.state(crucible_id), names))
        if told[4] is not None:
            return None
        epoch, seq, before, counted = (int(one or 0) for one in told[:4])
        if counted > before + seq:
            return None
        # Asked after the state: votes that are cast in between are in the log, or behind what the state has told.
        return self._log.oldest(crucible_id) or (epoch, seq + 1)

    def pages(self, crucible_id: int) -> Iterator[list[LoggedVote]]:
        """Yield the votes of all judges, some judges' at a time, in no order; what is no outcome is passed over.

        One that a judge's own question unpacks at this moment may be left out.
        """
        cursor = -1
        while cursor:
            with away_is_temporary():
                answer = self._client.sscan(keys.judges(crucible_id), max(0, cursor), count=JUDGES)
            cursor, members = cast("tuple[int, list[bytes]]", answer)
            judges = [int(one) for one in members if keys.is_id(one)]
            for at in range(0, len(judges), JUDGES):
                yield from self._of_judges(crucible_id, judges[at : at + JUDGES])

    def _of_judges(self, crucible_id: int, judges: Sequence[int]) -> Iterator[list[LoggedVote]]:
        left = dict.fromkeys(judges, 0)
        while left:
            with away_is_temporary():
                pipeline = self._client.pipeline(transaction=False)
                for judge, cursor in left.items():
                    pipeline.hscan(keys.judged(crucible_id, judge), cursor, count=FIELDS)
                answers = cast("list[tuple[int, Mapping[bytes, bytes]]]", pipeline.execute())
            asked, left = left, {}
            votes: list[LoggedVote] = []
            for judge, (cursor, fields) in zip(asked, answers, strict=True):
                if cursor:
                    left[judge] = cursor
                votes += votes_of(judge, fields)
            yield votes


def votes_of(judge: int, fields: Mapping[bytes, bytes]) -> Iterator[LoggedVote]:
    """Yield the votes that fields of a judge's outcomes are, those of one pair and those that a rebuild has packed.

    >>> list(votes_of(3, {b"7:8": b"7:1:5:1516:1484:1760000000321:16", b"packed": b"1"}))
    [LoggedVote(epoch=1, seq=5, winner=7, loser=8, user_id=3, ms=1760000000321, winner_elo=1516, loser_elo=1484)]
    >>> [vote.seq for vote in votes_of(3, {b"packed:0": b" 7:8=8:1:5:1516:1484:9000 2:9=2:1:6:1516:1484:9000"})]
    [5, 6]
    """
    for name, text in fields.items():
        for found in _OUTCOME.finditer(text if name.startswith(b"packed") else b"%s=%s" % (name, text)):
            low, high, winner, epoch, seq, winner_elo, loser_elo, ms = map(int, found.groups())
            if winner in {low, high}:
                yield LoggedVote(epoch, seq, winner, low + high - winner, judge, ms, winner_elo, loser_elo)
