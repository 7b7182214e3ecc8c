"""How a vote is asked of Redis, and how the answer reads. Without a client: async pipelines and tests share it."""

from typing import TYPE_CHECKING, Final, cast

from watcher.model.vote import Vote, VoteOutcome, VoteRefusal
from watcher.redis.keys import ADMITTED, ENTRIES, JUDGED, JUDGES, LOG, OPEN, STANDINGS, STATE, VOTES, elo, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYS: Final = "10"


def vote_command(
    sha: str, vote: Vote, fence: str, refuse: VoteRefusal | None, max_log: int, *, served: bool = False
) -> list[str]:
    """Return the command that casts a vote; all of it text, for hiredis takes three times as long for a number.

    Args:
        sha: the vote script's, as Redis knows it.
        vote: the vote.
        fence: identity of the Redis process at the other end of the very connection that this is sent through.
        refuse: if given, only a repeat is answered; anything else is refused with this.
        max_log: votes that may wait for ClickHouse in this crucible's log.
        served: the vote is on a pair that was served to the judge, and counts only if that is the one to judge now.
    """
    own, user = tag(vote.crucible_id), str(vote.user_id)
    return [
        "EVALSHA", sha, _KEYS,
        elo(vote.crucible_id), own + STATE, own + ENTRIES, own + STANDINGS, own + VOTES, own + LOG, own + JUDGES,
        f"{own}{JUDGED}{user}", own + ADMITTED, f"{own}{OPEN}{user}",
        fence, user, str(vote.winner), str(vote.loser), refuse or "", str(max_log), "1" if served else "0",
    ]  # fmt: skip


def outcome(answer: object) -> VoteOutcome | VoteRefusal:
    """Return what the script said.

    Args:
        answer: the script's, bytes or str; a client's errors are the caller's.

    Raises:
        ValueError: it is not an answer of this script.

    >>> outcome([b"ok", 1516, 1484, 16, 1, 3, 1_760_000_000_000, 0, 0]).winner_elo
    1516
    >>> outcome([b"ended"])
    <VoteRefusal.ENDED: 'ended'>
    """
    code, *numbers = cast("Sequence[bytes | str | int]", answer)
    if code in {b"ok", "ok"}:
        winner_elo, loser_elo, delta, epoch, seq, ms, repeated, opened = cast("list[int]", numbers)
        return VoteOutcome(winner_elo, loser_elo, delta, epoch, seq, ms, bool(repeated), bool(opened))
    return VoteRefusal(code.decode() if isinstance(code, bytes) else str(code))
