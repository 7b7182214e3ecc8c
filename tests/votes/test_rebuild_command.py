"""``crucible rebuild``: live state made anew, to the same numbers, and runs over all that go on where they were."""

import json

import pytest

from tests.awaiting import await_that
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.recovery.verifier import Comparison
from watcher.redis import keys


def judged(world: VoteWorld, votes: int) -> int:
    """Return a crucible that was compared and has so many votes, all of which are in ClickHouse."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=votes)
    world.drained()
    return crucible


def change_a_vote(world: VoteWorld) -> None:
    """Have ClickHouse tell of another rating after the vote of number 20."""
    with world.clickhouse() as client:
        client.command(
            "ALTER TABLE crucible_entry_rating UPDATE winner_elo = winner_elo + 1 WHERE vote_seq = 20 "
            "SETTINGS mutations_sync = 2"
        )


def test_a_live_crucible_is_rebuilt_to_the_same_numbers(world: VoteWorld) -> None:
    """Also while judges vote: those wait, none is lost, and every vote cast again gives what the view has."""
    crucible = world.crucible()
    world.start("drain", "keep")
    world.await_votable(crucible)
    with world.judging(crucible):
        await_that(lambda: len(world.cast.counted) >= 300, "votes")
        done = world.crucible_command("rebuild", str(crucible), "--replay", "--json")
        assert done.returncode == 0, done.stderr
        had = len(world.cast.counted)
        await_that(lambda: len(world.cast.counted) >= had + 100, "votes afterwards")
    world.await_drained()
    (told,) = json.loads(done.stdout)

    assert told["replayed"] == told["votes"] == told["pairs"] >= 300
    assert told["forgotten"] == 0
    assert verdict(world, crucible) == []


def test_what_was_damaged_is_mended(world: VoteWorld) -> None:
    """Ratings, counts, standings and pairs that somebody broke in Redis come back."""
    crucible = judged(world, votes=200)
    world.redis.hset(keys.elo(crucible), mapping=dict.fromkeys(map(str, world.entries(crucible)), 9_999))
    world.redis.delete(keys.votes(crucible), keys.standings(crucible), keys.judges(crucible))
    assert verdict(world, crucible) != []
    done = world.crucible_command("rebuild", str(crucible))

    assert done.returncode == 0, done.stderr
    assert "crucible" in done.stdout
    assert verdict(world, crucible) == []


def test_a_replay_that_differs_is_told(world: VoteWorld) -> None:
    """The control: a vote that was changed in ClickHouse is found by the replay, and by it alone."""
    crucible = judged(world, votes=50)
    change_a_vote(world)
    assert world.crucible_command("rebuild", str(crucible)).returncode == 0
    done = world.crucible_command("rebuild", str(crucible), "--replay")

    assert done.returncode == 1
    assert "recorded other ratings" in done.stderr


def test_a_replay_that_differs_takes_nothing_away(world: VoteWorld) -> None:
    """Redis was right and ClickHouse was edited: what Redis shows is as before, and votes go on from it."""
    crucible = judged(world, votes=50)
    held = keys.elo(crucible), keys.votes(crucible), keys.admitted(crucible)
    before = [world.redis.hgetall(name) for name in held]
    change_a_vote(world)
    assert world.crucible_command("rebuild", str(crucible), "--replay").returncode == 1
    assert world.keep(crucible) == [Comparison.VERIFIED]

    assert [world.redis.hgetall(name) for name in held] == before
    assert world.vote(crucible, votes=5) == 5


def expire(world: VoteWorld) -> None:
    """Let time take the first thirty votes away: their rows are gone, and the view knows how old they were."""
    with world.clickhouse() as client:
        client.command("ALTER TABLE crucible_entry_rating DELETE WHERE vote_seq <= 30 SETTINGS mutations_sync = 2")
        client.command(
            "ALTER TABLE crucible_votes_v1 UPDATE first_vote = first_vote - INTERVAL 91 DAY WHERE true "
            "SETTINGS mutations_sync = 2"
        )


def test_votes_past_their_ttl_are_told(world: VoteWorld) -> None:
    """Ratings and counts outlive the votes; who judged which pair does not, and the answer says how many."""
    crucible = judged(world, votes=80)
    before = world.redis.hgetall(keys.elo(crucible))
    expire(world)
    done = world.crucible_command("rebuild", str(crucible), "--replay", "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)

    assert (told["votes"], told["pairs"], told["forgotten"], told["replayed"]) == (80, 50, 30, 0)
    assert "30 votes are past their 90 days" in done.stderr
    assert world.redis.hgetall(keys.elo(crucible)) == before


def test_a_view_that_lacks_votes_is_not_believed(world: VoteWorld) -> None:
    """With or without a replay: ratings of a part of the votes are never shown, and Redis keeps what it has."""
    crucible = judged(world, votes=60)
    before = world.redis.hgetall(keys.elo(crucible))
    with world.clickhouse() as client:
        client.command("TRUNCATE TABLE entry_rating_v1")
    plain, replayed = (world.crucible_command("rebuild", str(crucible), *more) for more in ([], ["--replay"]))

    assert (plain.returncode, replayed.returncode) == (1, 1)
    assert "has 60 numbered votes, the view entry_rating only 0" in plain.stderr
    assert world.redis.hgetall(keys.elo(crucible)) == before


def test_votes_that_are_gone_before_their_time_are_told(world: VoteWorld) -> None:
    """A hole among young votes is no expiry: a replay says so, and only who gives the vote up rebuilds without it."""
    crucible = judged(world, votes=60)
    before = world.redis.hgetall(keys.elo(crucible))
    with world.clickhouse() as client:
        client.command("ALTER TABLE crucible_entry_rating DELETE WHERE vote_seq = 20 SETTINGS mutations_sync = 2")
    refused, replayed, given_up = (
        world.crucible_command("rebuild", str(crucible), *more)
        for more in ([], ["--replay", "--give-up-votes"], ["--give-up-votes"])
    )

    assert (refused.returncode, replayed.returncode, given_up.returncode) == (1, 1, 0)
    assert "ClickHouse lacks 1 vote that Redis has counted" in refused.stderr
    assert "lacks votes that are not past their 90 days, after 1-0" in replayed.stderr
    assert world.redis.hgetall(keys.elo(crucible)) == before


def test_events_are_completed_though_votes_expired(world: VoteWorld) -> None:
    """Events outlive votes, so their number proves nothing: each missing one is found and written."""
    crucible = judged(world, votes=80)
    expire(world)
    with world.clickhouse() as client:
        client.command("ALTER TABLE entityMetricEvents DELETE WHERE sourceLsn > 70 SETTINGS mutations_sync = 2")
    count = "SELECT count(), uniqExact(sourceLsn) FROM entityMetricEvents WHERE metricType = 'Vote'"
    assert world.ask(count) == [(70, 70)]
    for _ in range(2):  # once is enough
        assert world.crucible_command("rebuild", str(crucible)).returncode == 0

    assert world.ask(count) == [(80, 80)]


def test_a_run_over_all_goes_on_where_it_was(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ended in the middle leaves out what it has done; --anew begins again."""
    crucibles = [world.crucible(entries=4) for _ in range(3)]
    world.keep(*crucibles)
    world.vote(*crucibles, votes=60)
    world.drained()
    world.redis.set(keys.verifier_lock(crucibles[1]), "somebody else", px=600_000)
    stopped = world.crucible_command("rebuild", "--all")
    assert stopped.returncode == 75
    world.redis.delete(keys.verifier_lock(crucibles[1]))
    rest = world.crucible_command("rebuild", "--all", "--json")
    again = world.crucible_command("rebuild", "--all", "--json")

    assert "going on with an interrupted run: 1 of 3" in rest.stderr
    assert [one["crucible_id"] for one in json.loads(rest.stdout)] == crucibles[1:]
    assert [one["crucible_id"] for one in json.loads(again.stdout)] == crucibles
    assert verdict(world, *crucibles) == []


@pytest.mark.parametrize("why", ["Redis was started anew since", "it is more than a day old"])
def test_an_interrupted_run_that_no_longer_stands_is_not_resumed(world: VoteWorld, why: str) -> None:
    """What it did is not in this Redis, or long past: every crucible is rebuilt, and that is said."""
    crucibles = [world.crucible(entries=4) for _ in range(2)]
    world.redis.set(keys.verifier_lock(crucibles[1]), "somebody else", px=600_000)
    assert world.crucible_command("rebuild", "--all").returncode == 75
    world.redis.delete(keys.verifier_lock(crucibles[1]))
    if why.startswith("Redis"):
        world.stack.redis.kill()
        world.start_redis()
    else:
        with world.site() as site:
            site.execute(f"UPDATE {world.name}.rebuild_run SET begun = now() - interval '25 hours'")  # type: ignore[arg-type] # noqa: S608
    rest = world.crucible_command("rebuild", "--all", "--json")

    assert why in rest.stderr
    assert [one["crucible_id"] for one in json.loads(rest.stdout)] == crucibles


def test_what_cannot_be_rebuilt_is_told(world: VoteWorld) -> None:
    """A finished crucible needs nothing, an unknown one is an error, and so is asking for nothing."""
    finished = world.crucible(status="Cancelled")

    done, unknown, nothing = (
        world.crucible_command("rebuild", *arguments) for arguments in ([str(finished)], ["999999"], [])
    )
    assert (done.returncode, unknown.returncode, nothing.returncode) == (0, 1, 2)
    assert "answered from PostgreSQL" in done.stderr
    assert "no crucible 999999" in unknown.stderr
