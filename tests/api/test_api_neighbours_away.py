"""The API while a neighbour is killed, frozen or away, and while it stops itself."""

import time

import httpx

from tests.api.site import Site, bearer
from tests.awaiting import await_that


def test_redis_killed_and_back(site: Site) -> None:
    """503 with Retry-After while it is away, at once and for all; then votes go on from where they were."""
    api = site.api()
    contest, judge = site.contest(), site.user()
    pair = api.pair(contest, judge)
    counted = api.vote(contest, judge, pair)
    assert counted.status_code == 200

    site.stack.redis.kill()
    try:
        body = {"winner": pair["left"]["entryId"], "loser": pair["right"]["entryId"], "token": pair["token"]}
        away = api.post(contest, judge, body)
        await_that(lambda: not api.ready(), "it says that it is not ready", 30)
        alive = httpx.get(f"http://127.0.0.1:{api.ops}/livez", timeout=10).status_code
    finally:
        site.stack.redis.start()
        site.stack.redis.await_ready(30)
    again = api.vote(contest, judge, pair)
    other = api.vote(contest, judge, api.pair(contest, judge))

    assert (away.status_code, away.json()["code"]) == (503, "redis_away")
    assert away.elapsed.total_seconds() < 5
    assert int(away.headers["retry-after"]) >= 1
    assert alive == 200
    assert again.content == counted.content
    assert other.status_code == 200
    assert api.close() == 0


def test_redis_stands_still(site: Site) -> None:
    """Its connection is open and says nothing: what waits is answered 503, and it goes on when Redis does."""
    api = site.api(CRUCIBLE_REDIS__TIMEOUT="1")
    contest, judge = site.contest(), site.user()
    pair = api.pair(contest, judge)
    body = {"winner": pair["left"]["entryId"], "loser": pair["right"]["entryId"], "token": pair["token"]}

    site.stack.redis.pause()
    try:
        stuck = api.post(contest, judge, body)
    finally:
        site.stack.redis.resume()
    later = api.vote(contest, judge, pair)

    assert (stuck.status_code, stuck.json()["code"]) == (503, "redis_away")
    assert stuck.elapsed.total_seconds() < 20
    assert later.status_code == 200
    assert api.get(contest.path, judge).json()["me"] == {"votes": 1}
    assert api.close() == 0


def test_postgres_away_lets_nobody_in(site: Site) -> None:
    """Whom we do not know may nothing, and no image is voted on of which nobody can tell whether it may be shown.

    A vote that has counted is answered all the same.
    """
    api = site.api(CRUCIBLE_POSTGRES__TIMEOUT="1")
    contest, known, stranger = site.contest(), site.user(), site.user()
    pair = api.pair(contest, known)
    counted = api.vote(contest, known, pair)

    site.stack.postgres.pause()
    try:
        repeat = api.vote(contest, known, pair)
        following = counted.json()["pair"]
        left, right = following["left"]["entryId"], following["right"]["entryId"]
        body = {"winner": left, "loser": right, "token": following["token"]}
        await_that(lambda: api.post(contest, known, body).status_code == 503, "what was known of images to be old")
        unseen = api.post(contest, known, body)
        refused = api.client.get(contest.path, headers=bearer(stranger))
    finally:
        site.stack.postgres.resume()

    assert (counted.status_code, repeat.status_code) == (200, 200), repeat.text
    assert (unseen.status_code, unseen.json()["code"]) == (503, "postgres_away")
    assert (refused.status_code, refused.json()["code"]) == (503, "postgres_away")
    assert api.get(contest.path, stranger).status_code == 200
    assert api.close() == 0


def test_what_is_under_way_is_finished_when_it_stops(site: Site) -> None:
    """SIGTERM: streams end, connections close, exit code 0, within seconds."""
    api = site.api()
    contest, judge = site.contest(), site.user()
    api.get(contest.path, judge)
    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(judge), timeout=20) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("event: standings") for line in lines)  # reads on until it comes
        began = time.monotonic()
        code = api.close()
        list(lines)  # to its end: a stream that is torn raises

    assert code == 0
    assert time.monotonic() - began < 20
