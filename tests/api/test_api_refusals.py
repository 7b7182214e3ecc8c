"""Who and what is refused, and with which word."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.api.site import Api, Contest, Site, bearer, pair_token


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"bannedAt": "2026-01-01"}, "user_banned"),
        ({"muted": True}, "user_muted"),
        ({"deletedAt": "2026-01-01"}, "user_deleted"),
    ],
)
def test_who_may_not_vote(api: Api, site: Site, columns: dict[str, Any], code: str) -> None:
    """403 on votes and pairs, also for a vote that would be fine; looking on is allowed."""
    contest, judge = site.contest(), site.user(**columns)
    first, second, *_ = contest.entries
    body = {"winner": first, "loser": second, "token": pair_token(contest, judge, first, second)}

    vote = api.post(contest, judge, body)
    pair = api.get(f"{contest.path}/pair", judge)

    assert [(one.status_code, one.json()["code"]) for one in (vote, pair)] == [(403, code)] * 2
    assert api.get(f"{contest.path}/standings", judge).status_code == 200


def test_somebody_whom_the_site_does_not_know(api: Api) -> None:
    """A token alone is no user."""
    answer = api.get("/v1/judges/me", 2_000_000_000)

    assert (answer.status_code, answer.json()["code"]) == (403, "user_unknown")


@pytest.mark.parametrize(
    ("demands", "claims", "columns", "code"),
    [
        ({"verifiedOnly": True}, {}, {}, "judge_requirement_unmet"),
        ({"verifiedOnly": True}, {"verified": "true"}, {}, "judge_requirement_unmet"),
        ({"verifiedOnly": True}, {"verified": True}, {}, None),
        ({"verifiedOnly": False}, {}, {}, None),
        ({"minUserScore": 100}, {}, {"meta": json.dumps({"scores": {"total": 99}})}, "judge_requirement_unmet"),
        ({"minUserScore": 100}, {}, {"meta": json.dumps({"scores": {"total": 100.5}})}, None),
        ({"minUserScore": 100}, {}, {"meta": json.dumps({"scores": {"total": "1000"}})}, "judge_requirement_unmet"),
        ({"minUserScore": 100}, {}, {}, "judge_requirement_unmet"),
        ({"minAge": 18}, {"verified": True}, {}, "judge_requirement_unknown"),
        ({"verifiedOnly": "yes"}, {"verified": True}, {}, "judge_requirement_unknown"),
        ([], {}, {}, "judge_requirement_unknown"),
        ({}, {}, {}, None),
        (None, {}, {}, None),
    ],
)
def test_what_a_crucible_asks_of_its_judges(
    api: Api, site: Site, demands: Any, claims: dict[str, Any], columns: dict[str, Any], code: str | None
) -> None:
    """Known keys are enforced; one that nobody understands refuses everybody, with its own code."""
    contest, judge = site.contest(judgeRequirements=json.dumps(demands)), site.user(**columns)
    first, second, *_ = contest.entries
    body = {"winner": first, "loser": second, "token": pair_token(contest, judge, first, second)}
    api.get(contest.path, judge)  # it is brought to Redis

    answer = api.client.post(f"{contest.path}/votes", json=body, headers=bearer(judge, **claims))

    if code is None:
        assert answer.status_code == 200, answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_pair_tokens_that_are_not_for_this_vote(api: Api, site: Site, contest: Contest) -> None:
    """Forged, for another judge, pair or crucible, expired, missing, nonsense: each its own code, and no vote."""
    judge, other, elsewhere = site.user(), site.user(), site.contest()
    first, second, third, *_ = contest.entries
    good = pair_token(contest, judge, first, second)
    tokens: dict[str, Any] = {
        "pair_token_forged": good[:20] + ("A" if good[20] != "A" else "B") + good[21:],
        "pair_token_malformed": good[:-1],
        "pair_token_missing": None,
        "pair_token_expired": pair_token(contest, judge, first, second, expires=time.time() - 5),
    }
    foreign = [
        pair_token(contest, other, first, second),
        pair_token(contest, judge, first, third),
        pair_token(elsewhere, judge, first, second),
        pair_token(contest, other, first, second, expires=1),
    ]

    said = {
        code: api.post(contest, judge, {"winner": first, "loser": second, "token": given}).json()["code"]
        for code, given in tokens.items()
    }
    strange = [api.post(contest, judge, {"winner": first, "loser": second, "token": one}).json() for one in foreign]

    assert said == {code: code for code in tokens}
    assert [one["code"] for one in strange] == ["pair_token_foreign"] * 4
    assert api.get(contest.path, judge).json()["me"] == {"votes": 0}


def test_a_repeat_is_answered_whatever_happened_since(api: Api, site: Site) -> None:
    """With an expired token, after the crucible's end and its settlement; with a foreign token not even then."""
    contest, judge = site.contest(), site.user()
    first, second, *_ = contest.entries
    api.get(contest.path, judge)
    body = {"winner": first, "loser": second, "token": pair_token(contest, judge, first, second)}
    counted = api.post(contest, judge, body)
    late = body | {"token": pair_token(contest, judge, first, second, expires=time.time() - 5)}
    foreign = body | {"token": pair_token(contest, site.user(), first, second)}
    reverse = {"winner": second, "loser": first, "token": late["token"]}

    _, _, third, fourth = contest.entries
    another = {"winner": third, "loser": fourth, "token": pair_token(contest, judge, third, fourth)}

    def said() -> tuple[httpx.Response, ...]:
        return tuple(api.post(contest, judge, one) for one in (body, late, reverse, foreign, another))

    ways: list[tuple[dict[str, Any], str]] = [
        ({"end": int(time.time() * 1000) - 1}, "ended"),
        ({"status": "Completed"}, "not_active"),
    ]
    assert counted.status_code == 200
    for change, code in ways:
        site.change(contest, **change)
        again, expired, other, refused, new = said()
        assert [one.content for one in (again, expired)] == [counted.content] * 2
        assert (other.status_code, other.json()["code"]) == (409, "judged_otherwise")
        assert (refused.status_code, refused.json()["code"]) == (403, "pair_token_foreign")
        assert (new.status_code, new.json()["code"]) == (409, code)


def test_the_scripts_refusals_have_their_codes(api: Api, site: Site, contest: Contest) -> None:
    """An entry of another crucible, one's own, the same twice; a crucible that has not begun, or is over."""
    first, second, *_ = contest.entries
    judge, own = site.user(), contest.owners[0]
    stranger = site.contest().entries[0]
    now = site.one("SELECT now() AT TIME ZONE 'utc'")
    day = site.one("SELECT interval '1 day'")
    before = site.contest(startAt=now + day, endAt=now + 2 * day)
    after = site.contest(startAt=now - 2 * day, endAt=now - day)
    for one in (before, after):
        api.get(one.path, judge)

    def code(where: Contest, who: int, winner: int, loser: int) -> tuple[int, str]:
        given = pair_token(where, who, winner, loser)
        answer = api.post(where, who, {"winner": winner, "loser": loser, "token": given})
        return answer.status_code, answer.json()["code"]

    assert code(contest, judge, first, stranger) == (404, "unknown_entry")
    assert code(contest, own, first, second) == (403, "own_entry")
    assert code(contest, judge, first, first) == (409, "same_entry")
    assert code(before, judge, *before.entries[:2]) == (409, "not_started")
    assert code(after, judge, *after.entries[:2]) == (409, "ended")


def test_a_crucible_that_is_nowhere(api: Api, site: Site) -> None:
    """404, on every route."""
    judge, nowhere = site.user(), Contest(2_000_000_000)
    answers = [
        api.get(nowhere.path + path, judge)
        for path in (
            "",
            "/pair",
            "/standings",
            "/stream",
            "/entries/1",
            "/entries/1/history",
            "/entries/1/comments",
            "/entries/mine",
            "/comments",
        )
    ]
    answers.append(api.post(nowhere, judge, {"winner": 1, "loser": 2, "token": pair_token(nowhere, judge, 1, 2)}))

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "unknown_crucible")] * len(answers)


def test_nobody_sees_more_than_their_level(api: Api, site: Site) -> None:
    """The account, not the request, decides; on pairs, entries and comments alike. Claims widen nothing."""
    contest = site.contest(entries=0)
    for level in (1, 1, 16, 16):
        site.entry(contest, level)
    harmless, explicit = contest.entries[0], contest.entries[2]
    adult, shy, child = site.user(), site.user(showNsfw=False), site.user(browsingLevel=1)

    def sees(user: int, entry: int, **claims: Any) -> list[Any]:
        path = f"{contest.path}/entries/{entry}"
        given = {"params": {"browsingLevel": 31}, "headers": bearer(user, **claims)}
        image = api.client.get(path, **given).json()["image"]
        return [image is not None, api.client.get(f"{path}/comments", **given).status_code]

    api.get(contest.path, adult)
    assert [sees(user, harmless) for user in (adult, shy, child)] == [[True, 200]] * 3
    assert sees(adult, explicit) == [True, 200]
    assert [sees(user, explicit) for user in (shy, child)] == [[False, 403]] * 2
    assert sees(adult, explicit, browsingLevel=1) == [False, 403]
    assert [sees(adult, explicit, showNsfw=False), sees(child, explicit, browsingLevel=31)] == [[False, 403]] * 2
    assert sees(shy, explicit, showNsfw=True, browsingLevel=31) == [False, 403]
    for _ in range(3):
        pair = api.pair(contest, child, browsingLevel=31)
        assert {pair[side]["entryId"] for side in ("left", "right")} == set(contest.entries[:2])
    assert api.get(f"{contest.path}/pair", child, browsingLevel=16).json()["code"] == "level_not_allowed"
    assert api.get(f"{contest.path}/pair", adult, browsingLevel=32).json()["code"] == "level_not_allowed"


def test_votes_and_reads_are_limited(site: Site) -> None:
    """The quota at once, then 429 with Retry-After; each of its own; a repeat is answered all the same."""
    api = site.api(CRUCIBLE_API__VOTES_PER_MINUTE="5", CRUCIBLE_API__READS_PER_MINUTE="40")
    contest, judge = site.contest(), site.user()
    api.get(contest.path, site.user())
    pairs = [(one, other) for at, one in enumerate(contest.entries) for other in contest.entries[at + 1 :]]
    bodies = [{"winner": one, "loser": other, "token": pair_token(contest, judge, one, other)} for one, other in pairs]

    votes = [api.post(contest, judge, body) for body in bodies]
    repeats = [api.post(contest, judge, bodies[0]) for _ in range(30)]
    refused = api.post(contest, judge, bodies[5])
    began, reads = time.monotonic(), [200]
    while reads[-1] == 200 and len(reads) < 400:
        reads.append(api.client.get(contest.path, headers=bearer(judge)).status_code)
    freed = (time.monotonic() - began) * 40 / 60  # while they were asked for, however slow this machine is

    assert [one.status_code for one in votes] == [200] * 5 + [429]
    assert [one.headers["ratelimit"].split(";")[1] for one in votes[:5]] == ["r=4", "r=3", "r=2", "r=1", "r=0"]
    assert votes[0].headers["ratelimit-policy"] == '"votes";q=5;w=60'
    assert {(one.status_code, one.content) for one in repeats} == {(200, votes[0].content)}
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 12
    assert reads[-1] == 429
    assert 40 <= len(reads) - 2 <= 41 + freed
    assert api.close() == 0


def test_other_origins_may_not_unless_they_are_named(api: Api, site: Site) -> None:
    """Closed by default; open for those that the settings name, and for no other."""
    asked = {"Origin": "https://page.test", "Access-Control-Request-Method": "POST"}
    named = site.api(CRUCIBLE_API__CORS_ORIGINS="https://page.test")

    closed = api.client.options("/v1/crucibles/1/votes", headers=asked)
    plain = api.client.get("/v1/judges/me", headers={**bearer(1), "Origin": "https://page.test"})
    opened = named.client.options("/v1/crucibles/1/votes", headers=asked)
    traced = {
        "Access-Control-Request-Headers": "authorization,baggage,content-type,sentry-trace,traceparent,tracestate"
    }
    with_traces = named.client.options("/v1/crucibles/1/votes", headers=asked | traced)
    with_more = named.client.options(
        "/v1/crucibles/1/votes", headers=asked | {"Access-Control-Request-Headers": "x-of-nobody"}
    )
    other = named.client.get("/v1/judges/me", headers={**bearer(1), "Origin": "https://else.test"})
    refused = named.client.options("/v1/crucibles/1/votes", headers={**asked, "Origin": "https://else.test"})
    method = named.client.options("/v1/crucibles/1/votes", headers={**asked, "Access-Control-Request-Method": "PUT"})

    assert all("access-control-allow-origin" not in one.headers for one in (closed, plain, other))
    assert opened.headers["access-control-allow-origin"] == "https://page.test"
    for one in (refused, method):
        assert (one.status_code, one.headers["content-type"]) == (400, "application/problem+json")
        assert one.json()["code"] == "cors_refused"
    assert ("access-control-allow-origin" in refused.headers, "access-control-allow-origin" in method.headers) == (
        False,
        True,
    )
    assert (with_traces.status_code, with_more.status_code) == (200, 400)
    assert named.close() == 0


def test_every_vote_that_is_refused_is_counted_once(api: Api, site: Site) -> None:
    """By its code, whoever refuses it: before the vote is looked at, and after; nothing but votes."""
    contest, judge = site.contest(), site.user()
    same = {"winner": 1, "loser": 1}
    codes = ("no_token", "user_unknown", "same_entry")

    def counted() -> list[float]:
        return [api.daemon.metric("crucible_votes_total", outcome=code) for code in codes]

    before = counted()
    told = [
        api.client.post(f"{contest.path}/votes", json=same),
        api.post(contest, 2**31 - 1, same),
        api.post(contest, judge, same),
    ]
    assert api.client.get("/v1/judges/me").status_code == 401

    assert [one.json()["code"] for one in told] == list(codes)
    assert counted() == [one + 1 for one in before]
