"""Who and what is refused, and with which word."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.api.site import AUDIENCE, ISSUER, SECRET, Api, Contest, Site, bearer, pair_token, token
from tests.awaiting import await_that

CLAIMS = {"sub": "1", "iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000}


def part(told: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{part(header)}.{part(claims)}."


def bad_tokens() -> dict[str, str]:
    """Tokens that are not ours, each for one reason: made when they are used, because they expire within minutes."""
    return {
        "another secret": jwt.encode(CLAIMS, "x" * 40, "HS256"),
        "no algorithm": unsigned({"alg": "none", "typ": "JWT"}, CLAIMS),
        "no algorithm, in capitals": unsigned({"alg": "NONE"}, CLAIMS),
        "another algorithm of the same key": jwt.encode(CLAIMS, SECRET.ljust(64, "x"), "HS512"),
        "a foreign audience": token(1, aud="another"),
        "no audience": token(1, aud=None),
        "a foreign issuer": token(1, iss="https://elsewhere.test"),
        "no issuer": token(1, iss=None),
        "no expiry": token(1, exp=None),
        "not valid yet": token(1, nbf=4_000_000_000),
        "issued in the future": token(1, iat=4_000_000_000),
        "issued at no time": token(1, iat=[1]),
        "an expiry beyond all time": token(1, exp=10**400),
        "headers that have to be understood": jwt.encode(CLAIMS, SECRET, "HS256", {"crit": ["x"]}),
        "a name for a number": token("ada"),
        "user zero": token(0),
        "a negative user": token(-1),
        "a user beyond all ids": token(2**31),
        "a number with a sign": token("+1"),
        "digits of another script": token("\u0661"),
        "no subject": unsigned({"alg": "HS256"}, CLAIMS) + "x",
        "an expiry that is no number": token(1, exp="soon"),
        "half a token": token(1)[:-20],
        "no token at all": "hello",
        "three dots": "...",
        "very long": "x" * 5_000,
        "deep": f"{base64.urlsafe_b64encode(b'[' * 2000).decode()}.e30.x",
    }


@pytest.mark.parametrize("name", bad_tokens())
def test_a_token_that_is_not_ours(api: Api, name: str) -> None:
    """401, with the scheme that is wanted, and not a word of what the token holds."""
    answer = api.client.get("/v1/judges/me", headers={"Authorization": f"Bearer {bad_tokens()[name]}"})

    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "bad_token"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_expired_token(api: Api) -> None:
    """A code of its own: the client should fetch a new one."""
    answer = api.client.get("/v1/judges/me", headers=bearer(1, exp=int(time.time()) - 60))

    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


def test_a_token_is_good_until_it_expires(site: Site) -> None:
    """One that was verified and remembered is no longer taken when its time is over."""
    api = site.api(CRUCIBLE_API__LEEWAY="0")
    user = site.user()
    headers = bearer(user, exp=int(time.time()) + 3)

    first = api.client.get("/v1/judges/me", headers=headers)
    await_that(lambda: api.client.get("/v1/judges/me", headers=headers).status_code == 401, "it expires", 30)

    assert first.status_code == 200
    assert api.close() == 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}])
def test_without_a_token(api: Api, headers: dict[str, str]) -> None:
    """Every route below /v1 wants one, whatever is asked."""
    for path in ("/v1/judges/me", "/v1/crucibles/1", "/v1/crucibles/x/pair", "/v1/crucibles/1/stream"):
        answer = api.client.get(path, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "no_token"), path


def test_rsa_keys_and_no_confusion(site: Site) -> None:
    """RS256 by a key set; its public key is no shared secret, and its keys sign nothing else."""
    key, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    file = site.folder / "keys.json"
    file.write_text(json.dumps({"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}))
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    api = site.api(CRUCIBLE_API__JWKS=str(file), CRUCIBLE_API__HS256_SECRETS="")
    claims = {**CLAIMS, "sub": str(site.user())}

    def status(encoded: str) -> int:
        return api.client.get("/v1/judges/me", headers={"Authorization": f"Bearer {encoded}"}).status_code

    good = jwt.encode(claims, key, "RS256", {"kid": "one"})
    await_that(lambda: status(good) == 200, "the key set is read", 30)
    confused = part({"alg": "HS256", "typ": "JWT", "kid": "one"}) + "." + part(claims)
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(mac.sign(confused.encode(), pem)).decode().rstrip("=")

    assert status(f"{confused}.{signature}") == 401
    assert status(jwt.encode(claims, stranger, "RS256", {"kid": "one"})) == 401
    assert status(jwt.encode(claims, SECRET, "HS256")) == 401
    assert status(jwt.encode(claims, key, "PS256", {"kid": "one"})) == 401
    assert status(jwt.encode(claims, stranger, "RS256", {"kid": "two"})) in {401, 503}
    assert api.close() == 0


@pytest.mark.parametrize("lacking", ["ISSUER", "AUDIENCE", "HS256_SECRETS", "PAIR_SECRETS"])
def test_it_does_not_start_without_auth(site: Site, lacking: str) -> None:
    """Exit code 78, and the keys by name."""
    done = site.crucible("run", "--role", "api", without=f"CRUCIBLE_API__{lacking}")

    assert done.returncode == 78, done.stderr
    assert f"CRUCIBLE_API__{lacking}" in done.stderr
    assert SECRET not in done.stderr


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


@pytest.fixture(scope="module")
def contest(api: Api, site: Site) -> Contest:
    """A crucible that Redis has."""
    made = site.contest()
    api.get(made.path, made.owners[0])
    return made


def test_pair_tokens_that_are_not_for_this_vote(api: Api, site: Site, contest: Contest) -> None:
    """Forged, for another judge, pair or crucible, expired, missing, nonsense: each its own code, and no vote."""
    judge, other, elsewhere = site.user(), site.user(), site.contest()
    first, second, third, _ = contest.entries
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
    reads = [api.client.get(contest.path, headers=bearer(judge)) for _ in range(60)]

    assert [one.status_code for one in votes] == [200] * 5 + [429]
    assert [one.headers["ratelimit"].split(";")[1] for one in votes[:5]] == ["r=4", "r=3", "r=2", "r=1", "r=0"]
    assert votes[0].headers["ratelimit-policy"] == '"votes";q=5;w=60'
    assert {(one.status_code, one.content) for one in repeats} == {(200, votes[0].content)}
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 12
    assert [one.status_code for one in reads[:40]] == [200] * 40
    assert {one.status_code for one in reads[45:]} == {429}
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


def test_an_api_without_keys_is_not_ready(site: Site, tmp_path: Path) -> None:
    """It could answer nobody. The vote that it does not take is counted, and with the keys it is ready."""
    key = rsa.generate_private_key(65_537, 2_048)
    file = tmp_path / "keys.json"
    environ = {**site.environ, "CRUCIBLE_API__JWKS": str(file), "CRUCIBLE_API__HS256_SECRETS": ""}
    api = Api(environ, site.folder, ready=False)
    site.started.append(api)
    signed = jwt.encode({**CLAIMS, "sub": str(site.user())}, key, "RS256")

    def faults() -> list[str]:
        checks = httpx.get(f"http://127.0.0.1:{api.ops}/readyz", timeout=10).json()["checks"]
        return [check["name"] for check in checks if not check["ok"]]

    await_that(lambda: faults() == ["keys"], "nothing is missing but keys", 30, api.daemon.last_words)
    vote = api.client.post(
        f"{site.contest().path}/votes", json={"winner": 1, "loser": 2}, headers={"Authorization": f"Bearer {signed}"}
    )
    assert not api.ready()
    assert vote.json()["code"] == "keys_away"
    assert api.daemon.metric("crucible_votes_total", outcome="keys_away") == 1

    write = file.with_suffix(".new")
    write.write_text(json.dumps({"keys": [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)]}))
    write.replace(file)
    await_that(api.ready, "the API is ready", 30, api.daemon.last_words)


def test_an_api_with_secrets_is_ready_without_its_key_set(site: Site, tmp_path: Path) -> None:
    """Tokens of the one kind go on while keys of the other are not to be had; the probe tells all the same."""
    api = site.api(CRUCIBLE_API__JWKS=str(tmp_path / "keys.json"))

    await_that(api.ready, "the API is ready", 30, api.daemon.last_words)
    (keys,) = (one for one in httpx.get(f"http://127.0.0.1:{api.ops}/readyz").json()["checks"] if one["name"] == "keys")
    assert (keys["ok"], keys["critical"]) == (False, False)
    assert api.get(site.contest().path, site.user()).status_code == 200


def test_a_right_that_is_missing_is_told_as_such(site: Site) -> None:
    """The database is there: the answer, readiness, a metric and the log say that it refuses, and what."""
    api, judge, contest = site.api(), site.user(), site.contest()
    await_that(lambda: api.get(f"{contest.path}/pair", judge).status_code == 200, "a pair", 30, api.daemon.last_words)
    site.postgres.execute('REVOKE SELECT ON "Image" FROM crucible_watcher')
    try:
        refused = api.get(f"{contest.path}/pair", judge)
        await_that(lambda: not api.ready(), "not ready", 30, api.daemon.last_words)
        said = api.daemon.ready()["postgres"]
        api.daemon.await_event("neighbour.refuses", neighbour="postgres")
        await_that(lambda: api.daemon.metric("crucible_neighbour_refuses", neighbour="postgres") == 1, "the metric", 30)
    finally:
        site.postgres.execute('GRANT SELECT ON "Image" TO crucible_watcher')
    await_that(api.ready, "ready again", 30, api.daemon.last_words)

    assert (refused.status_code, refused.json()["code"]) == (503, "postgres_refuses")
    assert said["refused"]
    assert "permission denied for table Image" in said["detail"]
    assert api.get(f"{contest.path}/pair", judge).status_code == 200
