"""Redis is there and refuses to write: judges are told that it passes, operators what it is, and it does pass."""

import httpx
import redis

from tests.api.site import Api, Site
from tests.api.test_api_pairs import code
from tests.awaiting import await_that

USER, PASSWORD = "judges", "no-secret"


def test_a_right_that_is_missing_is_named_and_what_was_begun_is_finished(site: Site) -> None:
    """Without HSET a vote stops halfway. Nobody is answered something that is not so, before and after."""
    url = str(site.stack.endpoints.redis_url)
    limited = url.replace("redis://", f"redis://{USER}:{PASSWORD}@")
    with redis.Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        api = site.api(CRUCIBLE_REDIS__URL=limited)
        try:
            _stopped_halfway(api, site, client)
        finally:
            api.kill()
            client.execute_command("ACL", "DELUSER", USER)


def _stopped_halfway(api: Api, site: Site, client: redis.Redis) -> None:
    contest, judge, other = site.contest(6), site.user(), site.user()
    pair, another = api.pair(contest, judge), api.pair(contest, other)
    client.execute_command("ACL", "SETUSER", USER, "-hset")
    body = {"winner": pair["left"]["entryId"], "loser": pair["right"]["entryId"], "token": pair["token"]}

    refused = api.post(contest, judge, body)
    await_that(lambda: not api.ready(), "readiness tells", 20)
    told = httpx.get(f"http://127.0.0.1:{api.ops}/readyz", trust_env=False).text
    counted = httpx.get(f"http://127.0.0.1:{api.ops}/metrics", trust_env=False).text
    client.execute_command("ACL", "SETUSER", USER, "+hset")
    next_vote, repeat = api.vote(contest, other, another), api.vote(contest, judge, pair)

    assert (code(refused), refused.headers["retry-after"]) == ((503, "redis_refuses"), "5")
    assert "redis refuses HSET" in told
    assert 'redis_refusals_total{reason="noperm"}' in counted
    assert len(api.daemon.events("redis.refuses")) == 1
    assert (next_vote.status_code, repeat.status_code) == (200, 200)
    assert sorted(answer.json()["seq"] for answer in (next_vote, repeat)) == [1, 2]
    await_that(lambda: api.get(contest.path, judge).json()["votes"] == 2, "both are shown", 30)
    await_that(api.ready, "it is ready again", 20)
