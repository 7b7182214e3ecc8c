"""What is told of how entries stand: nobody hears of their own open pair, and the setting keeps the rest for later."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.api.site import Api, Contest, Site, bearer
from tests.awaiting import await_that

HIDDEN = (403, "pair_open")


def sides(pair: dict[str, Any]) -> set[int]:
    """The two entries of a pair."""
    return {pair["left"]["entryId"], pair["right"]["entryId"]}


def listed(api: Api, contest: Contest, judge: int) -> set[int]:
    """Entries that the standings tell of."""
    return {one["entryId"] for one in api.get(f"{contest.path}/standings", judge).json()["entries"]}


def streamed(api: Api, contest: Contest, judge: int, seconds: float = 3.0) -> set[int] | None:
    """Entries that the first event of the stream tells of; None if none comes."""
    until = time.monotonic() + seconds
    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(judge), timeout=seconds) as stream:
        try:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    return {one["entryId"] for one in json.loads(line[6:])["entries"]}
                if time.monotonic() > until:
                    return None
        except httpx.ReadTimeout:
            return None
    return None


def stands(api: Api, contest: Contest, judge: int, entry: int) -> tuple[Any, ...]:
    """What is told of an entry: its place, rating and votes, and how its history is answered."""
    told = api.get(f"{contest.path}/entries/{entry}", judge).json()
    history = api.get(f"{contest.path}/entries/{entry}/history", judge)
    code = (history.status_code, history.json().get("code"))
    return told["rank"], told["rating"], told["votes"], code


def test_nobody_is_told_of_their_own_open_pair(api: Api, site: Site) -> None:
    """In standings, stream, entry and history alike, whatever page is asked for; another judge is told everything."""
    contest, judge, other = site.contest(6), site.user(), site.user()
    pair = api.pair(contest, judge)
    hidden, everything = sides(pair), set(contest.entries)

    assert listed(api, contest, judge) == streamed(api, contest, judge) == everything - hidden
    one_by_one = [
        each["entryId"]
        for offset in range(6)
        for each in api.get(f"{contest.path}/standings", judge, offset=offset, limit=1).json()["entries"]
    ]
    assert set(one_by_one) == everything - hidden
    assert {stands(api, contest, judge, entry) for entry in hidden} == {(None, None, None, HIDDEN)}
    assert listed(api, contest, other) == streamed(api, contest, other) == everything
    assert all(stands(api, contest, other, entry)[1] == 1500 for entry in hidden)
    shown = api.get(f"{contest.path}/entries/{min(hidden)}", judge).json()
    assert shown["image"] is not None

    voted = api.vote(contest, judge, pair).json()

    assert (voted["winner"]["rating"], voted["winner"]["delta"], voted["loser"]["rating"]) == (1516, 16, 1484)
    assert listed(api, contest, judge) == everything - sides(voted["pair"])
    assert stands(api, contest, judge, min(hidden))[1] in {1516, 1484}


def test_a_follower_is_told_no_more_of_a_pair_that_opens(api: Api, site: Site) -> None:
    """The stream of somebody who judges beside it leaves the pair out, and tells of it again when it is judged."""
    contest, judge = site.contest(6), site.user()
    api.get(contest.path, judge)
    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(judge), timeout=10) as stream:
        events = (
            {one["entryId"] for one in json.loads(line[6:])["entries"]}
            for line in stream.iter_lines()
            if line[:6] == "data: "
        )
        assert next(events) == set(contest.entries)
        first = api.pair(contest, judge)
        assert next(events) == set(contest.entries) - sides(first)
        second = api.vote(contest, judge, first).json()["pair"]

        assert next(events) == set(contest.entries) - sides(second)


def test_the_answer_to_a_vote_tells_nothing_of_the_pair_that_it_opens(api: Api, site: Site) -> None:
    """Of three entries each pair shares one with the next: no points, no ratings, until nothing is open any more."""
    contest, judge = site.contest(3), site.user()
    first = api.pair(contest, judge)
    votes = [api.vote(contest, judge, first)]
    while (pair := votes[-1].json()["pair"]) is not None:
        votes.append(api.vote(contest, judge, pair))
    repeat = api.vote(contest, judge, first).json()

    told = [[one.json()[side][name] for side in ("winner", "loser") for name in ("rating", "delta")] for one in votes]
    assert told[:2] == [[None] * 4] * 2
    assert None not in told[2]
    assert (repeat["winner"]["rating"], repeat["winner"]["delta"]) == (1516, 16)


@pytest.mark.parametrize(("policy", "code"), [("after_vote", "standings_after_vote"), ("at_end", "standings_at_end")])
def test_standings_are_told_when_the_setting_says(site: Site, policy: str, code: str) -> None:
    """Before: no standings, no event, no place, no history; and with ``at_end`` no points of a vote. Then all of it."""
    running = site.api(CRUCIBLE_API__STANDINGS=policy)
    contest, judge = site.contest(6), site.user()
    pair = running.pair(contest, judge)

    def told(entry: int) -> list[Any]:
        standings = running.get(f"{contest.path}/standings", judge)
        return [
            standings.json().get("code"),
            streamed(running, contest, judge, 1.5),
            stands(running, contest, judge, entry),
        ]

    nothing = [code, None, (None, None, None, (403, code))]
    stranger = next(entry for entry in contest.entries if entry not in sides(pair) | sides(pair["following"]))
    assert told(stranger) == nothing

    voted = running.vote(contest, judge, pair).json()
    if policy == "after_vote":
        assert voted["winner"]["rating"] == 1516
    else:
        assert [voted[side][name] for side in ("winner", "loser") for name in ("rating", "delta")] == [None] * 4
        assert told(stranger) == nothing
        site.change(contest, end=int(time.time() * 1000) - 60_000)
        await_that(lambda: running.get(f"{contest.path}/standings", judge).status_code == 200, "votes are over")
        assert running.vote(contest, judge, pair).json()["winner"]["rating"] == 1516  # a repeat
        assert stands(running, contest, judge, stranger) == (stands(running, contest, site.user(), stranger))
    page = running.get(f"{contest.path}/standings", judge).json()["entries"]
    assert {1516} <= {one["rating"] for one in page}
    assert streamed(running, contest, judge) == {one["entryId"] for one in page}
    assert stands(running, contest, judge, stranger)[1:3] == (1500, 0)
    assert running.close() == 0
