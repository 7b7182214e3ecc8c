"""Two pairs are open to a judge at a time, whichever process is asked: nobody looks for the pairs that suit them."""

import itertools
import random
import time
from typing import Any

import httpx
import pytest
import redis
from psycopg import sql

from tests.api.site import Api, Contest, Site, bearer, pair_token
from watcher.redis import keys
from watcher.redis.open_pairs import met_field

HOUR_MS = 3_600_000
FRIEND_PLACE = 8
RARE_LEVEL = 2


def ids(pair: dict[str, Any] | None) -> tuple[int, int] | None:
    """Left and right entry of a pair."""
    return None if pair is None else (pair["left"]["entryId"], pair["right"]["entryId"])


def skip(api: Api, contest: Contest, judge: int, pair: dict[str, Any]) -> httpx.Response:
    """Pass a pair on."""
    return api.client.post(f"{contest.path}/skips", json={"token": pair["token"]}, headers=bearer(judge))


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


def test_the_same_pair_until_it_is_judged(api: Api, site: Site) -> None:
    """Of all processes, on the same sides; then the one that was told to follow, with the vote's own answer."""
    contest, judge = site.contest(8), site.user()
    other = site.api()
    first = api.pair(contest, judge)

    again = [one.pair(contest, judge) for one in (other, api, other)]
    voted = other.vote(contest, judge, first).json()

    assert again == [first] * 3
    assert ids(voted["pair"]) == ids(first["following"]) != ids(first)
    assert ids(voted["following"]) not in {None, ids(first), ids(voted["pair"])}
    told = api.pair(contest, judge)
    assert (ids(told), ids(told["following"])) == (ids(voted["pair"]), ids(voted["following"]))
    assert api.vote(contest, judge, told["following"]).json()["code"] == "pair_token_early"
    assert skip(api, contest, judge, told["following"]).json()["code"] == "pair_token_early"
    assert api.vote(contest, judge, told).status_code == 200
    assert api.vote(contest, judge, told["following"]).status_code == 200  # now its turn has come
    assert api.vote(contest, judge, first).json()["pair"] is not None  # a repeat is told what is open now


def test_a_token_is_good_for_the_open_pair_alone(api: Api, site: Site) -> None:
    """One for another pair, however well signed, has been skipped or hoarded."""
    contest, judge = site.contest(4), site.user()
    pair = api.pair(contest, judge)
    taken = {frozenset(ids(one) or ()) for one in (pair, pair["following"])}
    left, right = next(one for one in itertools.combinations(contest.entries, 2) if frozenset(one) not in taken)
    hoarded = {"winner": left, "loser": right, "token": pair_token(contest, judge, left, right)}

    assert code(api.post(contest, judge, hoarded)) == (410, "pair_token_stale")
    assert skip(api, contest, judge, pair).status_code == 200
    assert code(api.vote(contest, judge, pair)) == (410, "pair_token_stale")
    assert api.get(contest.path, judge).json()["votes"] == 0


def test_skips_are_bounded_by_what_was_judged(api: Api, site: Site) -> None:
    """Three at once, charged once each however often they are sent, and one more for every third that is judged."""
    contest, judge = site.contest(10), site.user()
    pair = api.pair(contest, judge)
    assert pair["skipsLeft"] == 3
    skipped = set()
    for left in (2, 1, 0):
        skipped.add(frozenset(ids(pair) or ()))
        answer, again = skip(api, contest, judge, pair), skip(api, contest, judge, pair)
        assert (answer.json(), answer.json()["skipsLeft"]) == (again.json(), left)
        pair = answer.json()["pair"]

    assert code(skip(api, contest, judge, pair)) == (429, "skips_exhausted")
    assert ids(api.pair(contest, judge)) == ids(pair)
    for judged in (1, 2, 3):
        told = api.vote(contest, judge, pair).json()
        assert told["skipsLeft"] == judged // 3
        pair = told["pair"]
    assert skip(api, contest, judge, pair).json()["skipsLeft"] == 0
    assert frozenset(ids(pair) or ()) not in skipped
    assert api.get(contest.path, judge).json()["me"] == {"votes": 3}


def test_asking_for_fewer_levels_is_a_skip(api: Api, site: Site) -> None:
    """Or a judge would pass pairs on by changing what they want to see."""
    contest, judge = site.contest(6, level=3), site.user()
    for image in contest.images[3:]:
        site.postgres.execute('UPDATE "Image" SET "nsfwLevel" = 2 WHERE id = %s', [image])
    levels, left = itertools.cycle((1, 2)), []
    for _ in range(4):
        answer = api.get(f"{contest.path}/pair", judge, browsingLevel=next(levels))
        left.append(answer.json().get("skipsLeft", answer.json().get("code")))

    assert left == [3, 1, "skips_exhausted", 1]  # each time both open pairs are passed on


def test_a_session_of_fewer_levels_is_a_skip(api: Api, site: Site) -> None:
    """Or a judge with two sessions, or two settings, looks for pairs without end; two more are lent, once."""
    contest, judge = site.contest(10, level=3), site.user(browsingLevel=3)
    for image in contest.images[5:]:
        site.postgres.execute('UPDATE "Image" SET "nsfwLevel" = 2 WHERE id = %s', [image])
    told = []
    for level in (1, 2, 1, 2, 1):
        answer = api.get(f"{contest.path}/pair", judge, headers=bearer(judge, browsingLevel=level))
        told.append(answer.json().get("skipsLeft", answer.json().get("code")))

    assert told == [3, 1, 0, "skips_exhausted", 0]  # 2 of 3, 4 with one that is lent, and 6 would be too many


@pytest.mark.parametrize(
    "hidden",
    [
        {"ingestion": "Blocked"},
        {"needsReview": "minor"},
        {"tosViolation": True},
        {"blockedFor": "reasons"},
        {"nsfwLevel": 16},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_a_vote_on_what_was_hidden_since_is_refused(api: Api, site: Site, hidden: dict[str, Any]) -> None:
    """Whatever the sweep has seen; another pair is open then, and it was no skip."""
    contest, judge = site.contest(5, level=31), site.user(browsingLevel=15)
    pair = api.pair(contest, judge)
    image = contest.images[contest.entries.index(pair["right"]["entryId"])]
    columns = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in hidden.items()
    )
    site.postgres.execute(sql.SQL('UPDATE "Image" SET {} WHERE id = {}').format(columns, sql.Literal(image)))

    assert code(api.vote(contest, judge, pair)) == (409, "not_admitted")
    assert api.get(contest.path, judge).json()["votes"] == 0
    after = api.pair(contest, judge)
    assert pair["right"]["entryId"] not in {*(ids(after) or ()), *(ids(after["following"]) or ())}
    assert (after["skipsLeft"], api.vote(contest, judge, after).status_code) == (3, 200)


@pytest.mark.parametrize("how", ["flushed", "expired"])
def test_lost_open_pairs_are_opened_anew(api: Api, site: Site, how: str) -> None:
    """A vote that was on its way counts by its token, and the judge goes on."""
    contest, judge = site.contest(8), site.user()
    pair = api.pair(contest, judge)
    with redis.Redis.from_url(str(site.stack.endpoints.redis_url)) as client:
        if how == "flushed":
            client.flushall()
            api.get(contest.path, judge)
        else:
            assert 0 < client.ttl(keys.open_pairs(contest.id, judge)) <= keys.OPEN_SECONDS  # type: ignore[operator]
            client.delete(keys.open_pairs(contest.id, judge))

    voted = api.vote(contest, judge, pair)
    after = api.pair(contest, judge)

    assert (voted.status_code, voted.json()["pair"]) == (200, None)
    assert set(ids(after) or ()) != set(ids(pair) or ())
    assert api.vote(contest, judge, after).status_code == 200


def test_a_judge_cannot_shop_for_a_friend(api: Api, site: Site) -> None:
    """Sixty entries, 591 honest votes, nine tenths of the time over; somebody asks for 600 pairs, to vote for a friend.

    The friend ends where it began, but for what one vote is worth, should a pair with it have been open by chance. The
    same goes for somebody who wants to see the few images of the friend's level alone.
    """
    now = int(time.time() * 1000)
    contest = site.contest(0)
    for number in range(60):
        site.entry(contest, level=RARE_LEVEL if number % 4 == 3 else 1)
    api.get(contest.path, contest.owners[0])  # it is brought to Redis
    _vote_honestly(api, site, contest, 591)
    site.change(contest, start=now - 9 * HOUR_MS, end=now + HOUR_MS, places=3)
    rare = set(contest.entries[3::4])
    place, friend = next(
        (at, one) for at, one in enumerate(_standings(api, contest), 1) if at >= FRIEND_PLACE and one in rare
    )

    shopper = site.user()
    seen, votes = _shop(api, contest, shopper, friend, asks=600)

    assert len(seen) == 4 + votes  # the first, and one for each skip and vote
    assert votes <= 1
    assert place - _standings(api, contest).index(friend) - 1 <= 3 * votes
    with redis.Redis.from_url(str(site.stack.endpoints.redis_url)) as client:
        noted = client.hkeys(keys.open_pairs(contest.id, shopper))
    leading = frozenset.union(*seen).intersection(_standings(api, contest)[:FRIEND_PLACE])
    assert {met_field(one).encode() for one in leading} <= set(noted)  # so that nobody forgets it among very many

    _, votes = _shop(api, contest, site.user(), friend, asks=60, judges=True, browsingLevel=RARE_LEVEL)

    assert votes <= 1


def _shop(
    api: Api, contest: Contest, judge: int, friend: int, *, asks: int, judges: bool = False, **wanted: int
) -> tuple[set[frozenset[int]], int]:
    """Ask for pairs, vote for a friend, skip others, judge the rest or leave it; return the pairs, and the votes."""
    seen, votes = set(), 0
    for _ in range(asks):
        answer = api.get(f"{contest.path}/pair", judge, **wanted)
        if answer.status_code == 404:  # all judged
            break
        pair = answer.json()
        seen.add(frozenset(ids(pair) or ()))
        if friend in (ids(pair) or ()):
            winner = "left" if pair["left"]["entryId"] == friend else "right"
            votes += api.vote(contest, judge, pair, winner).status_code == 200
        elif pair["skipsLeft"]:
            assert skip(api, contest, judge, pair).status_code == 200
        elif judges:
            assert api.vote(contest, judge, pair).status_code == 200
    return seen, votes


def _vote_honestly(api: Api, site: Site, contest: Contest, number: int) -> None:
    """As many votes of some judges, who prefer what was entered earlier, mostly."""
    chance = random.Random(13)
    judges = [site.user() for _ in range(40)]
    pairs = [(judge, *pair) for judge in judges for pair in itertools.combinations(contest.entries, 2)]
    for judge, one, other in chance.sample(pairs, number):
        winner, loser = (one, other) if chance.random() < 0.7 else (other, one)
        body = {"winner": winner, "loser": loser, "token": pair_token(contest, judge, winner, loser)}
        assert api.post(contest, judge, body).status_code == 200


def _standings(api: Api, contest: Contest) -> list[int]:
    """Entries, best first."""
    return [one["entryId"] for one in api.get(f"{contest.path}/standings", 1, limit=100).json()["entries"]]
