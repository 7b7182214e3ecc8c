"""A crucible ends before the eyes of those who judge it: votes are over, then the result is there, with its proof."""

import json
from typing import Any

import httpx
import pytest
import redis
from psycopg import sql

from tests.api.site import Api, Contest, Site, bearer
from tests.awaiting import await_that

SCHEMA = "crucible_watcher"
DIGEST = "0123456789abcdef" * 4

NOTHING_OPEN = {"pair": None, "following": None, "skipsLeft": None}


def freeze(site: Site, contest: Contest) -> None:
    """As whoever settles does, in Redis."""
    with redis.Redis.from_url(str(site.stack.endpoints.redis_url)) as client:
        client.hset(f"{{crucible:{contest.id}:elo}}:state", "frozen", "1:0")


def ending(site: Site, contest: Contest, state: str, **columns: Any) -> None:
    """How far the end is, as PostgreSQL has it."""
    given = {"crucible_id": contest.id, "state": state, "name": "contest", "creator_id": 1, **columns}
    site.postgres.execute(
        sql.SQL("INSERT INTO {}.settlement ({}) VALUES ({}) ON CONFLICT (crucible_id) DO UPDATE SET {}").format(
            sql.Identifier(SCHEMA),
            sql.SQL(", ").join(map(sql.Identifier, given)),
            sql.SQL(", ").join([sql.Placeholder()] * len(given)),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in given),
        ),
        list(given.values()),
    )


def settle(site: Site, contest: Contest) -> None:
    """Write a result: the last entry first; the first and best prize is of one that is gone since."""
    for position, entry in enumerate(reversed(contest.entries), 2):
        site.postgres.execute(
            'UPDATE "CrucibleEntry" SET score = %s, position = %s, "voteCount" = 2 WHERE id = %s',
            (1_600 - position, position, entry),
        )
    prizes = [(1, 2_000_000_000, 60), (2, contest.entries[-1], 30)]
    for position, entry, amount in prizes:
        site.postgres.execute(
            sql.SQL("INSERT INTO {}.settlement_prize VALUES (%s, %s, %s, 1, %s)").format(sql.Identifier(SCHEMA)),
            (contest.id, position, entry, amount),
        )
    moments = {"frozen_at": "2026-01-01T10:00:00.5Z", "settled_at": "2026-01-01T10:00:02Z"}
    ending(site, contest, "paying", digest=DIGEST, votes=4, pool=100, paid=90, remainder=10, **moments)
    site.postgres.execute("UPDATE \"Crucible\" SET status = 'Completed' WHERE id = %s", (contest.id,))


def test_an_end_is_told_step_by_step(api: Api, site: Site) -> None:
    """The crucible's answer has it as it goes on; votes and pairs are refused with a word of their own meanwhile."""
    contest, judge = site.contest(), site.user()
    pair = api.pair(contest, judge)
    assert api.get(contest.path, judge).json()["ending"] is None
    freeze(site, contest)

    def told() -> dict[str, Any]:
        return dict(api.get(contest.path, judge).json()["ending"] or {})

    await_that(lambda: told().get("status") == "frozen", "the freeze is told")
    for answer in (api.vote(contest, judge, pair), api.get(f"{contest.path}/pair", judge)):
        assert (answer.status_code, answer.json()["code"]) == (409, "frozen")
    ending(site, contest, "drained", frozen_at="2026-01-01T10:00:00.5Z")
    await_that(lambda: told()["status"] == "settling", "the counting is told")
    assert told()["frozenAt"] == "2026-01-01T10:00:00.500Z"
    assert told()["podium"] == []
    settle(site, contest)
    site.change(contest, status="Completed")
    await_that(lambda: told()["status"] == "completed", "the result is told")

    found = told()
    assert [(one["position"], one["entryId"], (one["prize"] or {}).get("amount")) for one in found["podium"]] == [
        (1, 2_000_000_000, 60), (2, contest.entries[-1], 30), (3, contest.entries[-2], None),
    ]  # fmt: skip
    assert (found["podium"][0]["rating"], found["podium"][1]["rating"]) == (None, 1_598)
    assert [found[name]["amount"] for name in ("pool", "paid", "remainder")] == [100, 90, 10]
    assert found["proof"] == {"digest": DIGEST, "votes": 4}
    assert found["settledAt"] == "2026-01-01T10:00:02.000Z"


def test_the_stream_announces_the_end(api: Api, site: Site) -> None:
    """Votes are over; then the result, with the last standings; then nothing more comes."""
    contest, judge = site.contest(), site.user()
    api.pair(contest, judge)
    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(judge), timeout=20) as stream:
        lines = stream.iter_lines()

        def following(name: str) -> dict[str, Any]:
            """The data of the next event of that name."""
            for line in lines:
                if line == f"event: {name}":
                    return dict(json.loads(next(one for one in lines if one.startswith("data: "))[6:]))
            raise AssertionError(f"the stream ended without another {name}")

        following("standings")
        freeze(site, contest)
        assert following("ending")["status"] == "frozen"
        ending(site, contest, "proven", frozen_at="2026-01-01T10:00:00Z")
        assert following("ending")["status"] == "settling"
        settle(site, contest)
        site.change(contest, status="Completed")
        last = following("ending")
        while last["status"] != "completed":
            last = following("ending")
        rest = list(lines)

    assert last["proof"]["digest"] == DIGEST
    assert rest[-1:] == [""] or rest == []
    assert not [line for line in rest if line.startswith("event: ending")]


def test_who_comes_later_is_told_too(api: Api, site: Site) -> None:
    """A finished crucible that Redis never held: one event with its result, and the end of the stream."""
    contest, judge = site.contest(entries=3), site.user()
    settle(site, contest)
    site.entry(contest)  # it has no place
    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(judge), timeout=20) as stream:
        text = "".join(stream.iter_text())
    standings = api.get(f"{contest.path}/standings", judge).json()

    assert text.count("event: ending\n") == 1
    assert f'"digest":"{DIGEST}"' in text
    assert ([one["entryId"] for one in standings["entries"]], standings["total"]) == (contest.entries[2::-1], 3)
    assert api.get(f"{contest.path}/entries/{contest.entries[3]}", judge).json()["rank"] is None


@pytest.mark.parametrize("columns", [{"refunded": 200, "state": "cancelled"}, None], ids=["by us", "by the site"])
def test_a_cancelled_crucible_says_so(api: Api, site: Site, columns: dict[str, Any] | None) -> None:
    """With what went back, if that is known."""
    contest, judge = site.contest(status="Cancelled"), site.user()
    if columns:
        ending(site, contest, **columns)

    found = api.get(contest.path, judge).json()["ending"]

    assert (found["status"], found["proof"], found["podium"]) == ("cancelled", None, [])
    assert found["refunded"] == ({"amount": 200, "currency": "yellow"} if columns else None)


def test_a_vote_that_counted_is_answered_after_the_freeze(api: Api, site: Site) -> None:
    """Whoever lost the answer just asks again."""
    contest, judge = site.contest(), site.user()
    pair = api.pair(contest, judge)
    before = api.vote(contest, judge, pair)
    freeze(site, contest)

    after = api.vote(contest, judge, pair)

    assert (before.status_code, after.status_code) == (200, 200)
    assert {**before.json(), **NOTHING_OPEN} == after.json()  # for there is no pair after a freeze
