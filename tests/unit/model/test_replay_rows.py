"""The replay from bytes gives what the plain one gives."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.replay import replay
from watcher.model.rating import gain
from watcher.model.replay_rows import REACH_POINTS, VOTE, Ratings, Tally, VoteRows
from watcher.model.vote import LoggedVote

PAIR = st.tuples(st.integers(1, 6), st.integers(1, 5)).map(lambda two: (two[0], (two[0] + two[1] - 1) % 6 + 1))
FAR = st.integers(-3 * REACH_POINTS, 3 * REACH_POINTS)


def rows(votes: list[LoggedVote]) -> VoteRows:
    """The votes, as ClickHouse sends them."""
    return VoteRows(
        1, b"".join(VOTE.pack(one.seq, one.winner, one.loser, one.winner_elo, one.loser_elo) for one in votes)
    )


@given(st.lists(PAIR), st.integers(1, 7), st.sets(st.integers(0, 60), max_size=3), FAR)
@example([(1, 2), (2, 1)], 1, set(), REACH_POINTS)
@example([(1, 2), (2, 1)], 1, set(), REACH_POINTS + 1)
@example([(1, 2), (2, 1)], 1, set(), -REACH_POINTS)
@example([(2, 1), (1, 2)], 2, set(), -REACH_POINTS - 1)
def test_both_replays_agree(pairs: list[tuple[int, int]], portion: int, damaged: set[int], far: int) -> None:
    """Ratings, and what differs, however the votes are divided; also at and beyond the leads that the table has."""
    ratings = {1: 1500 + far}
    votes = []
    for seq, (winner, loser) in enumerate(pairs):
        points = gain(ratings.get(winner, 1500), ratings.get(loser, 1500))
        ratings[winner] = ratings.get(winner, 1500) + points
        ratings[loser] = ratings.get(loser, 1500) - points
        recorded = ratings[winner] + (seq in damaged)
        votes.append(LoggedVote(1, seq + 1, winner, loser, 9, 0, recorded, ratings[loser]))
    plain = replay(votes, {1: 1500 + far})
    done = Tally(ratings=Ratings({1: 1500 + far}))
    for at in range(0, len(votes), portion):
        done.add(rows(votes[at : at + portion]))

    assert (done.ratings, done.cast) == (plain.ratings, len(votes))
    assert done.differing == len(plain.differing)
    first = plain.differing[0] if plain.differing else None
    assert done.first_differing == (first and (first.epoch, first.seq))


def test_a_first_vote_that_was_not_the_first_is_found() -> None:
    """The control: without its first vote, what follows differs from the base that it begins at."""
    votes = [LoggedVote(1, 1, 7, 8, 9, 0, 1516, 1484), LoggedVote(1, 2, 7, 9, 9, 0, 1531, 1485)]

    whole, headless = Tally(), Tally()
    whole.add(rows(votes))
    headless.add(rows(votes[1:]))

    assert whole.differing == 0
    assert headless.first_differing == (1, 2)
