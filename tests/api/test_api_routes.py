"""Each route, asked as a client asks it."""

import json
import socket
from pathlib import Path

import httpx
import msgspec
import pytest
import redis

from tests.api.site import Api, Contest, Site, bearer, pair_token
from tests.awaiting import await_that
from tests.packed import pack
from watcher.api.http.problem import PROBLEM_KINDS
from watcher.api.openapi import document, document_text
from watcher.api.routes import ROUTES
from watcher.redis import keys

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def voted(api: Api, site: Site) -> tuple[Contest, int]:
    """A crucible in which one judge has judged every pair, always for the older entry."""
    contest, judge = site.contest(), site.user()
    for _ in range(6):
        pair = api.pair(contest, judge)
        older = "left" if pair["left"]["entryId"] < pair["right"]["entryId"] else "right"
        assert api.vote(contest, judge, pair, older).status_code == 200
    return contest, judge


def test_a_pair_is_served_and_voted_on(api: Api, site: Site) -> None:
    """A pair with images and a token, a vote, and its points."""
    contest, judge = site.contest(), site.user()

    pair = api.pair(contest, judge)
    counted = api.vote(contest, judge, pair)

    assert counted.status_code == 200, counted.text
    told = counted.json()
    assert told["winner"] == {"entryId": pair["left"]["entryId"], "rating": 1516, "delta": 16}
    assert told["loser"] == {"entryId": pair["right"]["entryId"], "rating": 1484, "delta": -16}
    assert (told["epoch"] >= 1, told["seq"]) == (True, 1)
    assert pair["left"]["image"]["url"] == "https://images.test/picture"


def test_a_pair_says_nothing_that_sways(api: Api, site: Site) -> None:
    """No owner, rating or vote count, nowhere in the answer."""
    contest, judge = site.contest(), site.user()

    pair = api.pair(contest, judge)

    assert set(pair) == {"left", "right", "token", "expiresAt", "following", "skipsLeft"}
    assert set(pair["following"]) == {"left", "right", "token", "expiresAt"}
    assert set(pair["left"]) == {"entryId", "image", "topComment", "commentCount"}
    assert set(pair["left"]["image"]) == {"url", "type", "width", "height", "nsfwLevel"}


def test_standings_are_in_order_and_paged(api: Api, voted: tuple[Contest, int]) -> None:
    """Pages put together are the whole; the older of two wins always, so ids are in order."""
    contest, judge = voted

    whole = api.get(f"{contest.path}/standings", judge).json()
    first = api.get(f"{contest.path}/standings", judge, limit=3).json()
    second = api.get(f"{contest.path}/standings", judge, offset=first["next"], limit=3).json()

    assert [one["entryId"] for one in whole["entries"]] == sorted(contest.entries)
    assert first["entries"] + second["entries"] == whole["entries"]
    assert (first["next"], second["next"], whole["total"], whole["final"]) == (3, None, 4, False)
    assert [one["votes"] for one in whole["entries"]] == [3, 3, 3, 3]
    assert sum(one["rating"] for one in whole["entries"]) == 4 * 1500


def test_standings_that_the_client_has_are_not_sent_again(api: Api, site: Site) -> None:
    """304 while nothing changes; the whole again after a vote."""
    contest, judge = site.contest(), site.user()
    path = f"{contest.path}/standings"
    tag = api.get(path, judge).headers["etag"]

    same = api.get(path, judge, {"If-None-Match": f'"other", W/{tag}'})
    lines = [("If-None-Match", '"other"'), ("If-None-Match", f'"more", {tag}'), *bearer(judge).items()]
    in_lines = api.client.get(path, headers=lines)
    api.vote(contest, judge, api.pair(contest, judge))
    changed = api.get(path, judge, {"If-None-Match": tag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert in_lines.status_code == 304
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_a_crucible_tells_what_the_asker_did(api: Api, site: Site, voted: tuple[Contest, int]) -> None:
    """Entries, votes, judges, and the asker's own votes; not who the others are."""
    contest, judge = voted
    stranger = site.user()

    await_that(lambda: api.get(contest.path, judge).json()["votes"] == 6, "the votes are counted")
    mine, theirs = api.get(contest.path, judge).json(), api.get(contest.path, stranger).json()

    assert (mine["entries"], mine["judges"], mine["me"], theirs["me"]) == (4, 1, {"votes": 6}, {"votes": 0})
    assert mine | {"me": None} == theirs | {"me": None}
    assert set(mine) == {
        "id", "name", "status", "startAt", "endAt", "nsfwLevel", "entries", "votes", "judges", "me", "ending",
    }  # fmt: skip


def test_packed_votes_are_told_too(api: Api, site: Site) -> None:
    """As many as there were before the rebuild that packed them."""
    contest, judge = site.contest(), site.user()
    for _ in range(3):
        assert api.vote(contest, judge, api.pair(contest, judge)).status_code == 200
    name = keys.judged(contest.id, judge)
    with redis.Redis.from_url(str(site.stack.endpoints.redis_url), decode_responses=True) as client:
        outcomes: dict[str, str] = client.hgetall(name)  # type: ignore[assignment]
        client.delete(name)
        pack(client, name, outcomes, 3)

    assert api.get(contest.path, judge).json()["me"] == {"votes": 3}


def test_an_entry_has_its_place_and_its_image(api: Api, voted: tuple[Contest, int]) -> None:
    """The best of four."""
    contest, judge = voted

    entry = api.get(f"{contest.path}/entries/{min(contest.entries)}", judge).json()

    assert (entry["rank"], entry["votes"], entry["commentCount"]) == (1, 3, 0)
    assert entry["rating"] > 1500
    assert entry["image"]["type"] == "image"


def test_comments_leave_as_text_and_in_pages(api: Api, site: Site) -> None:
    """Most reactions first, hidden and forbidden ones nowhere, replies among them, markup as text."""
    contest, judge = site.contest(), site.user()
    path = f"{contest.path}/entries/{contest.entries[0]}/comments"
    thread = site.insert("Thread", imageId=contest.images[0])
    made = [
        site.insert(
            "CommentV2", threadId=thread, userId=judge, updatedAt="2026-01-01", content=text, reactionCount=count
        )
        for text, count in (
            ("<p>first</p>", 3),
            ("<script>alert(1)</script>&lt;b&gt;second", 2),
            ("third", 1),
        )
    ]
    site.insert("CommentV2", threadId=thread, userId=judge, updatedAt="2026-01-01", content="hidden", hidden=True)
    site.insert("CommentV2", threadId=thread, userId=judge, updatedAt="2026-01-01", content="bad", tosViolation=True)
    replies = site.insert("Thread", commentId=made[0], rootThreadId=thread)
    site.insert("CommentV2", threadId=replies, userId=judge, updatedAt="2026-01-01", content="a reply")

    first = api.get(path, judge, limit=3).json()
    second = api.get(path, judge, limit=3, cursor=first["next"]).json()

    assert [one["text"] for one in first["comments"]] == ["first", "<b>second", "third"]
    assert [(one["text"], one["replyTo"]) for one in second["comments"]] == [("a reply", made[0])]
    assert (first["total"], second["next"]) == (4, None)
    tops = {}
    while contest.entries[0] not in tops:  # four entries have six pairs, and each is judged once
        pair = api.pair(contest, judge)
        tops |= {pair[side]["entryId"]: pair[side]["topComment"] for side in ("left", "right")}
        assert api.vote(contest, judge, pair).status_code == 200
    assert tops.pop(contest.entries[0])["text"] == "first"
    assert set(tops.values()) == {None}


def test_history_and_judge_come_from_what_was_stored(api: Api, site: Site, voted: tuple[Contest, int]) -> None:
    """Once drained, the ratings after each vote; and ten times the root of six votes."""
    contest, judge = voted
    path = f"{contest.path}/entries/{min(contest.entries)}/history"

    await_that(lambda: api.get(path, judge).json()["votes"] == 3, "the votes are drained")
    points = api.get(path, judge).json()["points"]
    thin = api.get(path, judge, points=2).json()["points"]
    await_that(lambda: api.get("/v1/judges/me", judge).json()["votes"] == 6, "the judge is known")
    me = api.get("/v1/judges/me", judge).json()
    stranger = api.get("/v1/judges/me", site.user()).json()

    entry = api.get(f"{contest.path}/entries/{min(contest.entries)}", judge).json()
    nobody = api.get(f"{contest.path}/entries/2000000000/history", judge)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_entry")
    assert [one["votes"] for one in points] == [1, 2, 3]
    assert [one["rating"] for one in points] == sorted(one["rating"] for one in points)
    assert points[-1]["rating"] == entry["rating"] == thin[-1]["rating"]
    assert len(thin) == 2
    assert (me["influence"], [(one["crucibleId"], one["votes"]) for one in me["crucibles"]]) == (24, [(contest.id, 6)])
    assert (stranger["votes"], stranger["influence"], stranger["percentile"]) == (0, 0, None)


def test_all_judged_is_said_when_it_is_so(api: Api, voted: tuple[Contest, int]) -> None:
    """Six pairs of four entries, all judged."""
    contest, judge = voted

    answer = api.get(f"{contest.path}/pair", judge)

    assert (answer.status_code, answer.json()["code"]) == (404, "all_judged")


def test_the_stream_shows_each_change(api: Api, site: Site) -> None:
    """The standings at once, and again after a vote; then it ends with the client."""
    contest, judge = site.contest(), site.user()
    pair = api.pair(contest, judge)

    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(site.user()), timeout=20) as stream:
        events = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        before = next(events)
        api.vote(contest, judge, pair)
        after = next(events)

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "no-transform" in stream.headers["cache-control"]  # a proxy that compresses would hold it back
    assert [one["rating"] for one in before["entries"]] == [1500] * 4
    assert [one["rating"] for one in after["entries"]] == [1516, 1500, 1500, 1484]


def test_a_finished_crucible_is_answered_from_postgres(api: Api, site: Site) -> None:
    """By position where there is one; votes and pairs are refused."""
    contest, judge = site.contest(entries=3, status="Completed"), site.user()
    for entry, score, position in zip(contest.entries, (1490, 1520, 1490), (3, 1, 2), strict=True):
        site.postgres.execute(
            'UPDATE "CrucibleEntry" SET score = %s, position = %s, "voteCount" = 2 WHERE id = %s',
            (score, position, entry),
        )
    first, second, third = contest.entries

    standings = api.get(f"{contest.path}/standings", judge).json()
    crucible = api.get(contest.path, judge).json()
    entry = api.get(f"{contest.path}/entries/{third}", judge).json()
    token = pair_token(contest, judge, first, second)
    vote = api.post(contest, judge, {"winner": first, "loser": second, "token": token})
    pair = api.get(f"{contest.path}/pair", judge)

    assert [(one["rank"], one["entryId"]) for one in standings["entries"]] == [(1, second), (2, third), (3, first)]
    assert (standings["final"], crucible["status"], crucible["entries"], crucible["votes"]) == (True, "Completed", 3, 3)
    assert (entry["rank"], entry["rating"], entry["votes"]) == (2, 1490, 2)
    assert [(one.status_code, one.json()["code"]) for one in (vote, pair)] == [(409, "not_active")] * 2
    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(judge), timeout=20) as stream:
        assert "event: standings" in "".join(stream.iter_text())  # and it ends by itself


def test_final_places_follow_the_rule_of_live_ones(api: Api, site: Site) -> None:
    """An image that may not be shown has no place, and is not counted; nor is anything final before it is written."""
    contest, judge = site.contest(entries=2, status="Completed"), site.user()
    for given in ({"level": 32}, {"level": 0}, {"blockedFor": "reasons"}, {"needsReview": "minor"}):
        site.entry(contest, **given)
    best, other, *unseen = contest.entries
    for entry, score in zip(contest.entries, (1520, 1490, 1600, 1600, 1600, 1600), strict=True):
        site.postgres.execute('UPDATE "CrucibleEntry" SET score = %s WHERE id = %s', (score, entry))

    before = api.get(f"{contest.path}/standings", judge).json()
    past_the_end = api.get(f"{contest.path}/standings", judge, offset=50).json()
    entries = [api.get(f"{contest.path}/entries/{entry}", judge).json() for entry in contest.entries]
    count = api.get(contest.path, judge).json()["entries"]
    site.postgres.execute('UPDATE "CrucibleEntry" SET position = 1 WHERE id = %s', (best,))
    after = api.get(f"{contest.path}/standings", judge).json()

    assert [(one["rank"], one["entryId"]) for one in before["entries"]] == [(1, best), (2, other)]
    assert (before["total"], before["final"], after["final"]) == (2, False, True)
    assert (past_the_end["entries"], past_the_end["total"]) == ([], 2)
    assert [one.get("rank") for one in entries] == [1, 2] + [None] * len(unseen)
    assert count == 2


def test_a_crucible_that_was_live_is_answered_from_postgres(api: Api, site: Site) -> None:
    """Redis may hold it for days; what the site wrote when it settled is what counts."""
    contest, judge = site.contest(entries=2), site.user()
    assert api.vote(contest, judge, api.pair(contest, judge)).status_code == 200
    for entry, score, position in zip(contest.entries, (1700, 1300), (1, 2), strict=True):
        site.postgres.execute(
            'UPDATE "CrucibleEntry" SET score = %s, position = %s WHERE id = %s', (score, position, entry)
        )
    site.change(contest, status="Completed")

    def settled() -> bool:
        return bool(api.get(f"{contest.path}/standings", judge).json()["final"])

    await_that(settled, "the crucible is finished")
    standings = api.get(f"{contest.path}/standings", judge).json()["entries"]
    entry = api.get(f"{contest.path}/entries/{contest.entries[0]}", judge).json()

    assert [(one["entryId"], one["rating"]) for one in standings] == list(
        zip(contest.entries, (1700, 1300), strict=True)
    )
    assert (entry["rank"], entry["rating"]) == (1, 1700)


def test_the_page_is_served_under_a_strict_policy(api: Api) -> None:
    """Its files, and nothing else of the disk; not kept without asking."""
    page = api.client.get("/arena/42")
    script = api.client.get("/arena/arena.js")
    held = [("If-None-Match", '"other"'), ("If-None-Match", script.headers["etag"])]
    again = api.client.get("/arena/arena.js", headers=held)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for answer in (page, script):
        said = answer.headers["content-security-policy"]
        assert "default-src 'none'" in said
        assert "img-src 'self' https://images.test" in said
        assert "unsafe" not in said
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert again.status_code == 304
    for path in ("/arena/index.html", "/arena/..%2Fapp.py", "/arena/%2e%2e/app.py", "/arena/nothing.js", "/arena/"):
        assert api.client.get(path).status_code == 404, path


def test_the_document_is_frozen_and_served(api: Api) -> None:
    """What is served, what the file says and what the types say are one; a change of the contract shows in review."""
    served = api.client.get("/openapi.json").json()

    assert served == json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert (ROOT / "docs" / "openapi.json").read_text() == document_text()


def test_the_document_knows_every_route_and_code() -> None:
    """No route without a description, and no code that no route, the router or the server can answer."""
    told = document()
    listed = {code for route in ROUTES for code in route.problems}
    elsewhere = {"no_such_route", "method_not_allowed", "headers_too_large", "cors_refused"}
    everywhere = {
        code
        for code in PROBLEM_KINDS
        if all(f"`{code}`" in json.dumps(one["responses"]) for path in told["paths"].values() for one in path.values())
    }

    assert {(method.upper(), path) for path, some in told["paths"].items() for method in some} == {
        (route.method, route.path) for route in ROUTES
    }
    assert set(PROBLEM_KINDS) - listed - elsewhere - everywhere == set()


def test_probes_and_metrics_are_on_the_operations_port(api: Api, voted: tuple[Contest, int]) -> None:
    """Alive, ready, counted; and none of it on the port of the judges."""
    assert api.client.get("/metrics").status_code == 404

    ops = f"http://127.0.0.1:{api.ops}"
    ready = httpx.get(f"{ops}/readyz", timeout=10).json()

    assert httpx.get(f"{ops}/livez", timeout=10).status_code == 200
    assert {check["name"] for check in ready["checks"]} == {
        "loop",
        "redis",
        "postgres",
        "postgres.comments",
        "clickhouse",
        "workers",
    }
    assert api.daemon.metric("crucible_votes_total", outcome="ok") >= 6
    route = "/v1/crucibles/{id}/votes"
    assert api.daemon.metric("crucible_http_requests_total", route=route, status="200") >= 6
    assert api.daemon.metric("crucible_redis_link_up") == 2


def test_what_comes_to_no_route_is_counted_too(site: Site) -> None:
    """Also what is refused before it is a request, and a browser's question; of methods only those that there are."""
    api = site.api(CRUCIBLE_API__CORS_ORIGINS="https://site.example")
    browser = {"Origin": "https://site.example", "Access-Control-Request-Method": "GET"}

    def raw(sent: bytes) -> bytes:
        with socket.create_connection((api.client.base_url.host, api.client.base_url.port or 0), 10) as connection:
            connection.sendall(sent)
            return connection.recv(100)

    assert api.client.options("/v1/judges/me", headers=browser).status_code == 200
    assert api.client.options("/v1/judges/me", headers=browser | {"Origin": "https://other.example"}).status_code == 400
    assert api.client.get("/nowhere").status_code == 404
    assert api.client.request("BREW", "/nowhere").status_code in {400, 404}
    assert api.client.get("/openapi.json").status_code == 200
    assert api.client.get("/arena/1").status_code == 200
    assert raw(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000).startswith(b"HTTP/1.1 431")
    assert raw(b"what?\r\n\r\n").startswith(b"HTTP/1.1 400")

    def counted(**labels: str) -> float:
        return api.daemon.metric("crucible_http_requests_total", **labels) or 0

    assert counted(route="preflight", method="OPTIONS", status="200") == 1
    assert counted(route="preflight", method="OPTIONS", status="400") == 1
    assert counted(route="none", method="GET", status="404") == 1
    assert counted(route="none", method="BREW") == 0
    assert counted(route="/openapi.json", status="200") == counted(route="/arena/{name}", status="200") == 1
    assert counted(route="none", status="431") == 1
    assert counted(route="none", status="400") >= 1


def test_an_answer_is_what_the_document_says(api: Api, site: Site, voted: tuple[Contest, int]) -> None:
    """Each answer decodes into the very type that the document was made from, with nothing left over."""
    contest, judge = voted
    site.entry(contest, user=judge)
    paths = {
        "standings": f"{contest.path}/standings",
        "entry": f"{contest.path}/entries/{contest.entries[0]}",
        "history": f"{contest.path}/entries/{contest.entries[0]}/history",
        "comments": f"{contest.path}/entries/{contest.entries[0]}/comments",
        "mine": f"{contest.path}/entries/mine",
        "discussion": f"{contest.path}/comments",
        "crucible": contest.path,
        "judge": "/v1/judges/me",
    }
    for route in ROUTES:
        if route.name in paths:
            answer = api.get(paths[route.name], judge)
            decoded = msgspec.json.decode(answer.content, type=route.answer)

            assert json.loads(msgspec.json.encode(decoded)) == answer.json()
