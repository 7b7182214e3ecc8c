"""The order in which a crucible ends, against the site's own examples."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.final_ranking import EnteredEntries, rank, standings
from watcher.model.final_ratings import FinalRatings
from watcher.model.prizes import divide, prize_shares
from watcher.model.settlement import FinalStanding

SPLIT = prize_shares('{"1":50,"2":30,"3":20}')
FEE = 100
HOUR_US = 3_600_000_000


def end(entries: list[tuple[int, int]], ratings: dict[int, tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """(entry, position, score, prize) of entries given as (id, hour), as the reference's tests have them."""
    entered = EnteredEntries.of((entry, 100 + entry, hour * HOUR_US, True) for entry, hour in entries)
    ranking = rank(entered, FinalRatings.of((entry, *of) for entry, of in ratings.items()))
    prizes = divide(FEE * len(entries), SPLIT, len(ranking.order)).prizes
    return [(one.entry_id, one.position, one.score, one.prize) for one in standings(entered, ranking, prizes)]


def test_nobody_entered() -> None:
    assert end([], {}) == []


def test_one_entry_gets_the_first_place_s_part_alone() -> None:
    assert end([(1, 10)], {}) == [(1, 1, 1500, 50)]


@pytest.mark.parametrize(
    ("entries", "ratings", "expected"),
    [
        ([(1, 10)], {1: (1600, 5)}, [(1, 1, 1600, 50)]),
        ([(1, 10), (2, 12)], {1: (1600, 5), 2: (1600, 5)}, [(1, 1, 1600, 100), (2, 2, 1600, 60)]),
        ([(1, 12), (2, 10)], {1: (1600, 5), 2: (1600, 5)}, [(2, 1, 1600, 100), (1, 2, 1600, 60)]),
        ([(1, 14), (2, 10), (3, 12)], {}, [(2, 1, 1500, 150), (3, 2, 1500, 90), (1, 3, 1500, 60)]),
        (
            [(1, 9), (2, 11), (3, 12), (4, 8)],
            {1: (1700, 9), 2: (1600, 9), 3: (1600, 9)},
            [(1, 1, 1700, 200), (2, 2, 1600, 120), (3, 3, 1600, 80), (4, 4, 1500, 0)],
        ),
        (
            [(1, 9), (2, 9), (3, 9)],
            {1: (1450, 9), 2: (1700, 9), 3: (1550, 9)},
            [(2, 1, 1700, 150), (3, 2, 1550, 90), (1, 3, 1450, 60)],
        ),
        ([(1, 9), (2, 9)], {1: (1150, 38), 2: (1850, 42)}, [(2, 1, 1850, 100), (1, 2, 1150, 60)]),
    ],
)
def test_the_reference_s_cases(entries: list, ratings: dict, expected: list) -> None:
    assert end(entries, ratings) == expected


def test_a_tie_to_the_microsecond_is_decided_by_id() -> None:
    assert [entry for entry, *_ in end([(7, 10), (8, 10), (9, 10)], {})] == [7, 8, 9]


def test_ten_entries() -> None:
    ratings = {entry: (2_050 - 50 * entry, 1) for entry in range(1, 11)}

    found = end([(entry, 10) for entry in range(1, 11)], ratings)

    assert [prize for *_, prize in found] == [500, 300, 200, *[0] * 7]


def test_who_is_not_placed_keeps_the_score_and_holds_no_place() -> None:
    entered = EnteredEntries.of([(1, 5, 0, False), (2, 6, 0, True), (3, 7, 0, True)])

    found = rank(entered, FinalRatings.of([(1, 1900, 9), (2, 1400, 3)]))

    assert (list(found.scores), list(found.votes), list(found.positions)) == ([1900, 1400, 1500], [9, 3, 0], [0, 2, 1])


def test_votes_of_an_entry_that_is_gone_place_nobody() -> None:
    found = rank(EnteredEntries.of([(2, 6, 0, True)]), FinalRatings.of([(1, 1600, 1), (2, 1400, 1), (3, 1500, 0)]))

    assert list(found.positions) == [1]
    assert list(found.scores) == [1400]


def test_a_user_s_first_is_the_best() -> None:
    entered = EnteredEntries.of([(1, 5, 0, True), (2, 6, 0, True), (3, 5, 0, True)])

    found = standings(entered, rank(entered, FinalRatings.of([(3, 1600, 1), (1, 1400, 1)])), {1: 60, 3: 20})

    assert list(found) == [
        FinalStanding(3, 5, 1, 1600, 60),
        FinalStanding(2, 6, 2, 1500, 0),
        FinalStanding(1, 5, 3, 1400, 20),
    ]


@pytest.mark.parametrize("ids", [[2, 1], [1, 1]])
def test_another_order_is_refused(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="in the order of their ids"):
        EnteredEntries.of((one, 1, 0, True) for one in ids)


@given(
    st.dictionaries(st.integers(1, 40), st.tuples(st.integers(1, 3), st.integers(0, 3), st.booleans()), max_size=20),
    st.dictionaries(st.integers(1, 40), st.tuples(st.integers(1498, 1502), st.integers(0, 5)), max_size=20),
)
def test_it_is_the_order_of_one_sort_by_all_keys(entries: dict, ratings: dict) -> None:
    entered = EnteredEntries.of((one, *rest) for one, rest in sorted(entries.items()))

    found = rank(entered, FinalRatings.of((one, *of) for one, of in ratings.items()))

    scores = {one: ratings.get(one, (1500, 0)) for one in entries}
    best = sorted((-scores[one][0], created, one) for one, (_, created, placed) in entries.items() if placed)
    places = {one: place for place, (*_, one) in enumerate(best, start=1)}
    assert list(found.positions) == [places.get(one, 0) for one in sorted(entries)]
    assert list(zip(found.scores, found.votes, strict=True)) == [scores[one] for one in sorted(entries)]


@given(st.dictionaries(st.integers(1, 10**9), st.tuples(st.integers(0, 3_000), st.integers(0, 9)), max_size=20))
def test_the_digest_is_of_entries_with_a_vote_in_order_of_id(ratings: dict) -> None:
    lines = "".join(f"{one}:{rating}:{votes}\n" for one, (rating, votes) in sorted(ratings.items()) if votes)

    found = FinalRatings.of((one, *of) for one, of in ratings.items()).digest()

    assert found == hashlib.sha256(lines.encode()).hexdigest()
