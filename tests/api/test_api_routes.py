"""Each route, asked as a client asks it."""

from tests.api.site import Api, Site


def test_a_pair_is_served_and_voted_on(api: Api, site: Site) -> None:
    """The whole of it: a pair with images and a token, a vote, and the points in the standings."""
    contest, judge = site.contest(), site.user()

    pair = api.pair(contest, judge)
    counted = api.vote(contest, judge, pair)

    assert counted.status_code == 200, counted.text
    told = counted.json()
    assert told["winner"] == {"entryId": pair["left"]["entryId"], "rating": 1516, "delta": 16}
    assert told["loser"] == {"entryId": pair["right"]["entryId"], "rating": 1484, "delta": -16}
    assert pair["left"]["image"]["url"] == "https://images.test/picture"
    standings = api.get(f"{contest.path}/standings", judge).json()
    assert [one["rating"] for one in standings["entries"]] == [1516, 1500, 1500, 1484]
    assert [one["rank"] for one in standings["entries"]] == [1, 2, 3, 4]
    assert standings["total"] == 4
