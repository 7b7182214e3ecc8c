"""Who is told what when a crucible has ended: types, categories, keys and words of the site's notification system."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from watcher.model.notice import Notice
from watcher.model.notices import MAX_PAGE, PageKind, notice_pages, notices
from watcher.model.settlement import CrucibleOutcome, FinalStandings, OutcomeKind, Refunded

CREATOR = 7
_SETUP = "for setting it up went back to you"


def ended(
    *placed: tuple[int, int], prizes: dict[int, int] | None = None, entries: int | None = None
) -> CrucibleOutcome:
    """An outcome; each placed is (entry, user), best first."""
    return CrucibleOutcome(
        crucible_id=42, name="Dawn", creator_id=CREATOR, kind=OutcomeKind.ENDED,
        entries=len(placed) if entries is None else entries, pool=1_000, paid=sum((prizes or {}).values()),
        standings=FinalStandings(
            array("l", [entry for entry, _ in placed]), array("l", [user for _, user in placed]),
            array("l", [1500] * len(placed)), prizes or {},
        ),
    )  # fmt: skip


def cancelled(*refunds: Refunded) -> CrucibleOutcome:
    """A cancelled one."""
    return CrucibleOutcome(
        crucible_id=42, name="Dawn", creator_id=CREATOR, kind=OutcomeKind.CANCELLED, entries=3, refunds=refunds
    )


def told(outcome: CrucibleOutcome, user: int) -> list[Notice]:
    """What one user is told."""
    return [notice for notice in notices(outcome) if notice.user_id == user]


def test_everybody_placed_learns_their_best_place() -> None:
    """By the specification's type, category, key, details and words; once, also with several entries."""
    first, second = told(ended((11, 1), (12, 2), (13, 1)), 1), told(ended((11, 1), (12, 2), (13, 1)), 2)

    assert [(one.key, one.type, one.category, one.message, one.url, one.details) for one in first + second] == [
        (
            "crucible-ended:42:1", "crucible-ended", "Other", 'You placed #1 in "Dawn"', "/crucibles/42",
            {"crucibleId": 42, "crucibleName": "Dawn", "position": 1, "entryId": 11, "totalEntries": 3},
        ),
        (
            "crucible-ended:42:2", "crucible-ended", "Other", 'You placed #2 in "Dawn"', "/crucibles/42",
            {"crucibleId": 42, "crucibleName": "Dawn", "position": 2, "entryId": 12, "totalEntries": 3},
        ),
    ]  # fmt: skip


def test_winners_learn_every_prize() -> None:
    """A user with two winning entries is told of both, under keys in which there is no rank."""
    rewards = [
        one for one in told(ended((11, 1), (12, 2), (13, 1), prizes={1: 1500, 3: 20}), 1) if one.category == "Buzz"
    ]

    assert [(one.key, one.type, one.message) for one in rewards] == [
        ("crucible-reward-earned:42:11", "crucible-reward-earned", 'You earned 1,500 Buzz from crucible "Dawn"'),
        ("crucible-reward-earned:42:13", "crucible-reward-earned", 'You earned 20 Buzz from crucible "Dawn"'),
    ]
    assert rewards[0].details == {
        "crucibleId": 42, "crucibleName": "Dawn", "rewardName": "1,500 Buzz", "amount": 1500, "position": 1,
        "entryId": 11,
    }  # fmt: skip


def test_a_prize_of_nothing_is_not_announced() -> None:
    assert [one.type for one in told(ended((11, 1), prizes={1: 0}), 1)] == ["crucible-ended"]


def test_the_creator_learns_the_end() -> None:
    """Also without an entry, and beside a place and a prize of the creator's own."""
    (alone,) = told(ended(), CREATOR)
    winner = told(ended((11, CREATOR), prizes={1: 500}), CREATOR)

    assert (alone.key, alone.category, alone.message) == (
        "crucible-ended:42", "Other", 'Your crucible "Dawn" has ended without an entry',
    )  # fmt: skip
    assert [(one.key, one.message) for one in winner] == [
        ("crucible-ended:42:7", 'You placed #1 in "Dawn"'),
        ("crucible-reward-earned:42:11", 'You earned 500 Buzz from crucible "Dawn"'),
        ("crucible-ended:42", 'Your crucible "Dawn" has ended: 1 entry, 500 Buzz in prizes'),
    ]


def test_cancelled_entrants_learn_their_refund() -> None:
    """All that came back in one sum; the creator learns the end, and what setting it up cost."""
    outcome = cancelled(Refunded(1, 11, 100), Refunded(2, 12, 90), Refunded(1, 13, 100), Refunded(CREATOR, None, 1000))

    assert [(one.user_id, one.key, one.type, one.message, one.details["refunded"]) for one in notices(outcome)] == [
        (1, "crucible-ended:42:1", "crucible-ended", '"Dawn" was cancelled; 200 Buzz came back to you', 200),
        (2, "crucible-ended:42:2", "crucible-ended", '"Dawn" was cancelled; 90 Buzz came back to you', 90),
        (
            CREATOR, "crucible-ended:42", "crucible-ended",
            f'Your crucible "Dawn" was cancelled; 290 Buzz went back to its entrants; 1,000 Buzz {_SETUP}',
            290,
        ),
    ]  # fmt: skip


def test_every_key_is_one_notice() -> None:
    """Two under one key would be one: the service forgets the second."""
    outcome = ended(*((entry, 1 + entry % 5) for entry in range(1, 21)), prizes={1: 5, 2: 4, 3: 3})
    keys = [one.key for one in notices(outcome)]

    assert len(keys) == len(set(keys)) == 5 + 3 + 1


def test_a_million_entrants_are_a_thousand_pages() -> None:
    """Pages are full, named for good, and the same when they are made again; here a hundredth of it."""
    outcome = ended(*((entry, entry) for entry in range(1, 10_001)), prizes={1: 5})
    pages = list(notice_pages(outcome))

    assert [len(page.lines) for page in pages] == [MAX_PAGE] * 10 + [1, 1]
    assert [page.key for page in pages[:2]] == ["notices:42:place:0", "notices:42:place:1"]
    assert [page.told for page in pages[-2:]] == [PageKind.REWARD, PageKind.END]
    assert pages == list(notice_pages(outcome))


@given(
    st.lists(st.integers(1, 6), max_size=12),
    st.dictionaries(st.integers(1, 12), st.integers(0, 2_000), max_size=5),
)
def test_whoever_is_placed_and_whatever_is_won_is_told_once(users: list[int], prizes: dict[int, int]) -> None:
    """A law, for any standings: everybody placed once, with the best place; each prize once; the creator once."""
    prizes = {place: amount for place, amount in prizes.items() if place <= len(users)}
    outcome = ended(*((100 + place, user) for place, user in enumerate(users)), prizes=prizes)
    everything = list(notices(outcome))
    places = [one for one in everything if "totalEntries" in one.details and "position" in one.details]
    rewards = [one for one in everything if one.category == "Buzz"]

    assert sorted((one.user_id, one.details["position"]) for one in places) == sorted(
        (user, users.index(user) + 1) for user in set(users)
    )
    assert sorted((one.user_id, one.details["amount"]) for one in rewards) == sorted(
        (users[place - 1], amount) for place, amount in prizes.items() if amount
    )
    assert len({one.key for one in everything}) == len(everything) == len(places) + len(rewards) + 1
