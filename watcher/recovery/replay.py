"""Casts all votes of a crucible again, which proves the ratings that Redis is to show."""

from collections.abc import Callable

from watcher.clickhouse.vote_history import Span, VoteHistory
from watcher.model.errors import StopError
from watcher.model.replay_rows import Tally
from watcher.model.words import counted
from watcher.recovery.lookahead import ahead
from watcher.recovery.progress_listener import ProgressListener


class ReplayDiffersError(StopError):
    """Raised when ClickHouse's view of a crucible's ratings is not what its votes give."""


def replay_votes(
    crucible_id: int, history: VoteHistory, spans: list[Span], progress: ProgressListener, renew: Callable[[], None]
) -> Tally:
    """Cast all votes again, in their order, and return what comes of it.

    Args:
        crucible_id: whose.
        history: has them.
        spans: the votes that are there, in order.
        progress: told how far it is.
        renew: called now and then, so that nobody takes the crucible over.

    Raises:
        TemporaryError: ClickHouse is away.
        ReplayDiffersError: a vote recorded other ratings than it gives now.
    """
    total = sum(span.votes for span in spans)
    done = Tally()
    for votes in ahead(lambda span: history.votes(crucible_id, span), spans):
        done.add(votes)
        renew()
        progress("votes replayed", done.cast, total)
    if done.first_differing is not None:
        epoch, seq = done.first_differing
        raise ReplayDiffersError(
            f"crucible {crucible_id}: {done.differing} of {counted(total, 'vote')} recorded other ratings than their "
            f"replay gives, the first of them {epoch}-{seq}; Redis shows the recorded ones. "
            "Was crucible_entry_rating edited?"
        )
    return done


def compare_replay(crucible_id: int, done: Tally, votes: dict[int, int], shown: dict[int, tuple[int, int]]) -> None:
    """Check that the replay and the view say the same of every entry.

    Args:
        crucible_id: whose.
        done: the replay.
        votes: how many of the replayed votes each entry was part of.
        shown: rating and votes of each entry in the view.

    Raises:
        ReplayDiffersError: they do not.
    """
    replayed = {entry_id: (rating, votes.get(entry_id, 0)) for entry_id, rating in done.ratings.items()}
    if replayed != shown:
        wrong = sorted(one for one in replayed.keys() | shown.keys() if replayed.get(one) != shown.get(one))
        raise ReplayDiffersError(
            f"crucible {crucible_id}: other ratings or votes of {counted(len(wrong), 'entry')} in the view "
            f"entry_rating than by a replay of crucible_entry_rating, the first of them {wrong[0]}: "
            f"{shown.get(wrong[0])} and {replayed.get(wrong[0])}; run `crucible migrate status` and rebuild the view"
        )
