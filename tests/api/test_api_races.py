"""Requests that come at the same moment: each counts once, whatever they say."""

import asyncio
import json

from tests.api.raw_requests import at_once, request
from tests.api.site import Api, Contest, Site, pair_token, token


def test_one_vote_over_two_hundred_connections(api: Api, site: Site, contest: Contest) -> None:
    """It counts once, and all two hundred get the same answer."""
    judge = site.user()
    first, second, *_ = contest.entries
    body = json.dumps({"winner": first, "loser": second, "token": pair_token(contest, judge, first, second)}).encode()

    answers = asyncio.run(at_once(api, [request(contest, judge, body)] * 200))

    assert {status for status, _ in answers} == {200}
    assert len({content for _, content in answers}) == 1
    assert api.get(contest.path, judge).json()["me"] == {"votes": 1}


def test_both_ways_round_at_once(api: Api, site: Site, contest: Contest) -> None:
    """One wins, all of the other are refused; two browsers of one user are no more than that."""
    judge = site.user()
    first, second, *_ = contest.entries
    given = pair_token(contest, judge, first, second)
    ways = [
        request(contest, judge, json.dumps({"winner": winner, "loser": loser, "token": given}).encode())
        for winner, loser in ((first, second), (second, first))
    ]

    answers = asyncio.run(at_once(api, ways * 20))

    statuses = [status for status, _ in answers]
    assert sorted({*statuses[::2]}) + sorted({*statuses[1::2]}) in ([200, 409], [409, 200])
    assert api.get(contest.path, judge).json()["me"] == {"votes": 1}


def test_a_judge_who_asks_many_times_at_once(api: Api, site: Site, contest: Contest) -> None:
    """Whoever asks second is served what was opened to the first, and is never told that all is judged."""
    for _ in range(5):
        head = f"GET {contest.path}/pair HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(site.user())}\r\n\r\n"

        answers = asyncio.run(at_once(api, [head.encode()] * 16))

        assert 200 in {status for status, _ in answers} <= {200, 503}, answers  # busy, or the pair
        served = [json.loads(body) for status, body in answers if status == 200]
        assert len({(one["left"]["entryId"], one["right"]["entryId"], one["token"]) for one in served}) == 1


def test_a_pair_is_judged_or_skipped(api: Api, site: Site, contest: Contest) -> None:
    """Whichever of both comes first stands, and the other one is refused."""
    judge = site.user()
    pair = api.pair(contest, judge)
    vote = {"winner": pair["left"]["entryId"], "loser": pair["right"]["entryId"], "token": pair["token"]}
    ways = [
        request(contest, judge, json.dumps(body).encode(), path=path)
        for path, body in (("votes", vote), ("skips", {"token": pair["token"]}))
    ]

    answers = asyncio.run(at_once(api, ways * 20))

    votes, skips = [status for status, _ in answers[::2]], [status for status, _ in answers[1::2]]
    counted = api.get(contest.path, judge).json()["me"]["votes"]
    assert (set(votes), set(skips), counted) in [({200}, {410}, 1), ({410}, {200}, 0)]
    assert api.pair(contest, judge)["skipsLeft"] == 2 + counted
