"""The replay by column gives what the plain one gives."""

from hypothesis import given
from hypothesis import strategies as st

from watcher.model.rating import gain
from watcher.model.replay import LoggedVote, replay
from watcher.model.replay_columns import VoteColumns, tally


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 5)).map(lambda two: (two[0], (two[0] + two[1] - 1) % 6 + 1))),
    st.integers(1, 7),
    st.sets(st.integers(0, 60), max_size=3),
    st.integers(-2_000, 2_000),
)
def test_both_replays_agree(pairs: list[tuple[int, int]], portion: int, damaged: set[int], far: int):
    """Ratings, counts and what differs, however the votes are divided; also beyond the leads that the table has."""
    ratings = {1: 1500 + far}
    votes = []
    for seq, (winner, loser) in enumerate(pairs):
        if winner == loser:
            continue
        points = gain(ratings.get(winner, 1500), ratings.get(loser, 1500))
        ratings[winner] = ratings.get(winner, 1500) + points
        ratings[loser] = ratings.get(loser, 1500) - points
        recorded = ratings[winner] + (seq in damaged)
        votes.append(LoggedVote(1, seq + 1, winner, loser, 9, 0, recorded, ratings[loser]))
    portions = [votes[at : at + portion] for at in range(0, len(votes), portion)]
    plain = replay(votes)
    done = tally(
        VoteColumns(
            1,
            *([vote[field] for vote in some] for field in (1, 2, 3, 6, 7)),  # type: ignore[arg-type]
        )
        for some in portions
    )

    assert (done.ratings, dict(done.votes), done.cast) == (plain.ratings, plain.votes, len(votes))
    assert done.differing == len(plain.differing)
    first = plain.differing[0] if plain.differing else None
    assert done.first_differing == (first and (first.epoch, first.seq))
