"""The command that casts votes, and its answers; without a client, because pipelines and tests share it."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, cast

from watcher.model.vote import Vote, VoteOutcome, VoteRefusal
from watcher.redis.keys import elo

_KEYS: Final = "1"


class Ballot(NamedTuple):
    """A vote, and how it is to be taken."""

    vote: Vote
    refuse: VoteRefusal | None = None
    """If given, only a repeat is answered; anything else is refused with this."""
    served: bool = False
    """The vote is on a pair that was served to the judge, and counts only if that is the one to judge now."""


def votes_command(sha: str, ballots: Iterable[Ballot], fence: str, max_log: int) -> list[str]:
    """Return the command that casts votes; all of it text, for hiredis takes three times as long for a number.

    Args:
        sha: the vote script's, as Redis knows it.
        ballots: the votes, in their order; 1 to ``keys.MAX_VOTES_AT_ONCE``, all on one crucible.
        fence: identity of the Redis process at the other end of the very connection that this is sent through.
        max_log: votes that may wait for ClickHouse in this crucible's log.
    """
    command = ["EVALSHA", sha, _KEYS, "", fence, str(max_log)]
    vote = None
    for vote, refuse, served in ballots:
        command += (str(vote.user_id), str(vote.winner), str(vote.loser), refuse or "", "1" if served else "0")
    if vote is None:
        raise ValueError("no votes were given, and at least one is expected")
    command[3] = elo(vote.crucible_id)
    return command


def outcomes(answer: object) -> list[VoteOutcome | VoteRefusal | Exception]:
    """Return what the script said of each vote.

    Args:
        answer: the script's, bytes or str.

    Returns:
        In the order of the votes; of one that Redis refused to write, its error as the client reads it.

    Raises:
        ValueError: it is not an answer of this script.

    >>> outcomes([[b"ok", 1516, 1484, 16, 1, 3, 1_760_000_000_000, 0, 0], [b"ended"]])[1]
    <VoteRefusal.ENDED: 'ended'>
    """
    return [_outcome(one) for one in cast("Sequence[object]", answer)]


def _outcome(answer: object) -> VoteOutcome | VoteRefusal | Exception:
    if isinstance(answer, Exception):
        return answer
    code, *numbers = cast("Sequence[bytes | str | int]", answer)
    if code in {b"ok", "ok"}:
        winner_elo, loser_elo, delta, epoch, seq, ms, repeated, opened = cast("list[int]", numbers)
        return VoteOutcome(winner_elo, loser_elo, delta, epoch, seq, ms, bool(repeated), bool(opened))
    return VoteRefusal(code.decode() if isinstance(code, bytes) else str(code))
