"""Works a crucible's result out anew: casts all its votes once more, and uses no sum that was made before.

Memory grows with the entries, some two hundred bytes each, and not with the votes, which pass in spans.
"""

from array import array
from typing import Final, NamedTuple

from watcher.clickhouse.vote_history import LastVote, VoteHistory
from watcher.model.errors import TemporaryError
from watcher.model.final_ratings import FinalRatings
from watcher.model.replay_rows import Ratings
from watcher.model.words import counted
from watcher.recovery.progress_listener import ProgressListener, in_silence
from watcher.recovery.replay import ReplayDiffersError, replay_votes
from watcher.recovery.vote_gaps import check_votes

SPAN_VOTES: Final = 250_000
"""Votes of one question to ClickHouse, 6 MB; three are held. Larger: more memory; smaller: more questions."""


class Recount(NamedTuple):
    """What all votes of a crucible come to."""

    last: LastVote
    final: FinalRatings
    """Of the entries with a vote."""
    ratings: Ratings
    """The same ratings, by entry."""


def recount(crucible_id: int, history: VoteHistory, progress: ProgressListener = in_silence) -> Recount:
    """Cast all votes of a crucible again, and return what comes of it.

    Args:
        crucible_id: whose.
        history: has them; nobody may vote meanwhile.
        progress: told how far it is.

    Raises:
        TemporaryError: ClickHouse is away, or votes came meanwhile.
        ReplayDiffersError: votes are missing, or one recorded other ratings than it gives now; the message says which.
    """
    last = history.last_vote(crucible_id)
    spans = history.spans(crucible_id, SPAN_VOTES)
    check_votes(crucible_id, last, spans, strictly=True)
    there = sum(span.votes for span in spans)
    if there < last.votes:
        raise ReplayDiffersError(
            f"crucible {crucible_id}: {last.votes - there} of its {counted(last.votes, 'vote')} are past their 90 "
            "days, so nobody can cast them again; the ratings that the view entry_rating has kept include them"
        )
    done = replay_votes(crucible_id, history, spans, progress, _nobody_waits)
    entry_ids, votes = history.votes_each_in_order(crucible_id)
    if done.cast != there or len(entry_ids) != len(done.ratings) or history.last_vote(crucible_id) != last:
        raise TemporaryError(f"crucible {crucible_id}: votes came to ClickHouse while they were cast again")
    ratings = array("l", map(done.ratings.__getitem__, entry_ids))
    return Recount(last, FinalRatings(array("l", entry_ids), ratings, array("l", votes)), done.ratings)


def _nobody_waits() -> None:
    """Do nothing: no lock is held that could expire."""
