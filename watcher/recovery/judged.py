"""Brings back from ClickHouse's votes what judges said of which pairs."""

from typing import Final

from watcher.clickhouse.vote_history import VoteHistory
from watcher.recovery.lookahead import ahead
from watcher.recovery.progress_listener import ProgressListener
from watcher.redis import keys
from watcher.redis.locked_crucible import MAX_PAIRS, LockedCrucible

QUESTION_PAIRS: Final = 500_000
"""Judged pairs of one question to ClickHouse, some 25 MB. It goes through all votes for each, so they are few."""


def write_judged(locked: LockedCrucible, history: VoteHistory, votes: int, progress: ProgressListener) -> int:
    """Write down what every judge said of every pair, as far as ClickHouse still knows.

    Args:
        locked: the crucible; closed, and cleared of what was there.
        history: tells what was said.
        votes: how many votes are there.
        progress: told how far it is.

    Returns:
        Number of pairs.

    Raises:
        TemporaryError: a neighbour is away, or the lock is lost.
    """
    crucible_id, prefix = locked.crucible_id, keys.judged_prefix(locked.crucible_id)
    portions, parts = max(1, -(-votes // QUESTION_PAIRS)), -(-min(votes, QUESTION_PAIRS) // MAX_PAIRS) or 1
    pairs = 0
    for some in ahead(lambda at: history.judged(crucible_id, at, portions, parts, prefix), range(portions)):
        for count, commands, judges in some:
            locked.write_judged(commands, judges)
            pairs += count
        locked.renew()
        progress("judged pairs", pairs, votes)
    return pairs
