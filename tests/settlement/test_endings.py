"""Endings on a real PostgreSQL, as the role that settles, with the double of the Buzz service and votes in memory."""

import pytest

from tests.settlement.endings import PAST, Endings
from watcher.model.entry_decision import FeePolicy
from watcher.model.settlement import SettlementState
from watcher.postgres.own import settlement
from watcher.postgres.site import results
from watcher.settlement.ports import Differs


def test_a_crucible_ends_with_places_scores_and_prizes(endings: Endings) -> None:
    crucible = endings.crucible()
    users = [endings.rich() for _ in range(4)]
    entries = endings.enter(crucible, users)
    first, second, third, last = entries
    for winner, loser in [(second, first), (second, third), (first, third), (second, last)]:
        assert endings.ballots.vote(crucible, winner, loser)
    endings.turn()
    assert endings.state(crucible) == "due"

    endings.end(crucible)
    endings.go_on()

    assert endings.state(crucible) == "done"
    assert endings.status(crucible) == "Completed"
    rows = endings.table(crucible)
    scores = {entry: score for entry, _, score, _ in rows}
    assert scores == {**scores, **{e: r for e, r, _ in endings.ballots.recompute(crucible).ratings}}
    assert [entry for entry, *_ in sorted(rows, key=lambda row: row[1])] == [second, first, last, third]
    assert [votes for *_, votes in rows] == [2, 3, 2, 1]
    assert [endings.holds(user) for user in users] == [900 + 120, 900 + 200, 900, 900 + 80]
    assert endings.moved(crucible) == (400, 0, 400)
    assert endings.shown(crucible, "pool", "paid", "remainder", "entries", "placed") == (400, 400, 0, 4, 4)
    assert endings.shown(crucible, "digest", "votes") == (endings.ballots.recompute(crucible).digest, 4)
    assert endings.events(crucible) == ["crucible.frozen", "crucible.settled", *["prize.paid"] * 3]
    assert endings.notices(users[1]) == [
        'You placed #1 in "Autumn light"', 'You earned 200 Buzz from crucible "Autumn light"'
    ]  # fmt: skip
    assert endings.notices(users[2]) == ['You placed #4 in "Autumn light"']


def test_a_result_of_several_pages_is_one(endings: Endings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of another crucible, whose ids lie between, keep what they have."""
    monkeypatch.setattr(results, "PAGE_ENTRIES", 2)
    crucible, other = endings.crucible(), endings.crucible()
    entries = [endings.enter(one, [None])[0] for one in (crucible, other, crucible, crucible, crucible, crucible)]
    first, between, *rest = entries
    for loser in rest:
        endings.ballots.vote(crucible, first, loser)
    endings.end(crucible)

    endings.go_on()

    positions = [position for _, position, *_ in endings.table(crucible)]
    assert (positions[0], sorted(positions)) == (1, [1, 2, 3, 4, 5])
    assert [votes for *_, votes in endings.table(crucible)] == [4, 1, 1, 1, 1]
    assert endings.table(other) == [(between, None, 1500, 0)]


def test_no_vote_counts_from_the_freeze_on(endings: Endings) -> None:
    crucible = endings.crucible()
    one, other = endings.enter(crucible, [None, None])
    endings.ballots.slow[crucible] = 1
    endings.end(crucible)

    endings.turn()

    assert endings.state(crucible) == "frozen"
    assert not endings.ballots.vote(crucible, one, other)
    endings.go_on()
    assert endings.table(crucible) == [(one, 1, 1500, 0), (other, 2, 1500, 0)]


def test_nobody_entered(endings: Endings) -> None:
    crucible = endings.crucible(endAt=PAST)

    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible)) == ("done", "Completed")
    assert endings.shown(crucible, "pool", "paid", "remainder", "entries", "placed", "votes") == (0, 0, 0, 0, 0, 0)
    assert [len(one.standings) for one in endings.outcomes] == [0]


def test_one_entry_gets_the_first_place_and_the_rest_stays(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)

    endings.go_on()

    assert endings.holds(user) == 950
    assert endings.shown(crucible, "pool", "paid", "remainder") == (100, 50, 50)
    assert endings.moved(crucible) == (100, 0, 50)


def test_creators_and_users_with_several_entries_win_each_prize(endings: Endings) -> None:
    creator, user = endings.rich(), endings.rich()
    crucible = endings.crucible(userId=creator)
    first, second, third = endings.enter(crucible, [user, creator, user])
    for loser in (second, third):
        endings.ballots.vote(crucible, first, loser)
    endings.end(crucible)

    endings.go_on()

    assert [entry for entry, place, *_ in endings.table(crucible) if place == 1] == [first]
    assert endings.holds(user) == 800 + 150 + 90
    assert endings.holds(creator) == 900 + 60
    payouts = endings.site.all("SELECT key FROM SCHEMA.outbox WHERE kind = 'prize' ORDER BY id")
    assert payouts == [(f"crucible-prize-{crucible}-{entry}",) for entry in (first, third, second)]


def test_who_is_hidden_or_rejected_has_a_score_and_no_place(endings: Endings) -> None:
    crucible = endings.crucible()
    shown, hidden, rejected = endings.enter(crucible, [None, None, None])
    endings.ballots.vote(crucible, hidden, shown)
    endings.ballots.vote(crucible, rejected, shown)
    endings.site.run(
        'UPDATE "Image" SET "needsReview" = \'minor\' WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)',
        hidden,
    )
    endings.site.run("UPDATE SCHEMA.entry_verdict SET verdict = 'rejected', fee = 0 WHERE entry_id = %s", rejected)
    endings.end(crucible)

    endings.go_on()

    scores = {entry: rating for entry, rating, _ in endings.ballots.recompute(crucible).ratings}
    assert endings.table(crucible) == [
        (shown, 1, scores[shown], 2), (hidden, None, scores[hidden], 1), (rejected, None, scores[rejected], 1)
    ]  # fmt: skip
    assert endings.shown(crucible, "pool", "paid", "placed", "entries") == (200, 100, 1, 3)


@pytest.mark.parametrize(
    ("prizes", "says"),
    [
        ('{"1": 60, "2": 60}', "percentages come to 120"),
        ('[{"position": 1, "percentage": 50}, {"position": 1, "percentage": 50}]', "place 1 is there twice"),
        ('{"1": -5}', "given -5 percent for place 1"),
        ('["all"]', 'given "all" in the list'),
    ],
)
def test_a_division_that_is_not_plain_pays_nothing_until_it_is_mended(endings: Endings, prizes: str, says: str) -> None:
    crucible, user = endings.crucible(prizePositions=prizes), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)

    endings.go_on()

    assert (endings.state(crucible), endings.status(crucible), endings.holds(user)) == ("parked", "Active", 900)
    assert says in endings.shown(crucible, "reason")
    assert f"crucible settle retry {crucible}" in endings.shown(crucible, "reason")
    assert endings.table(crucible)[0][1] is None

    endings.site.run('UPDATE "Crucible" SET "prizePositions" = %s WHERE id = %s', '{"1": 33.3}', crucible)
    with endings.open_session() as session:
        assert settlement.retry(session, crucible, "somebody") is SettlementState.FROZEN
        assert settlement.retry(session, crucible, "somebody") is None
    endings.go_on()

    assert (endings.state(crucible), endings.holds(user)) == ("done", 933)
    assert endings.shown(crucible, "remainder", "reason", "parked_from") == (67, None, None)


def test_votes_that_clickhouse_has_lost_are_not_to_be_had_from_redis(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason says what helps; to bring Redis back would park the crucible again and again."""
    crucible = endings.crucible(endAt=PAST)
    lacks = Differs("crucible_entry_rating lacks votes", votes_lack=True)
    monkeypatch.setattr(endings.ballots, "prove", lambda _: lacks)

    endings.go_on()

    reason = str(endings.shown(crucible, "reason"))
    assert endings.state(crucible) == "parked"
    assert ("crucible rebuild" in reason, f"crucible settle cancel {crucible}" in reason) == (False, True)
    assert "names the first entries" not in reason


def test_votes_that_differ_pay_nothing_until_they_are_mended(endings: Endings) -> None:
    crucible = endings.crucible()
    one, other = endings.enter(crucible, [None, None])
    endings.ballots.vote(crucible, one, other)
    endings.ballots.lost[crucible] = one
    endings.end(crucible)

    endings.go_on()

    assert endings.state(crucible) == "parked"
    assert "Redis and the votes in ClickHouse differ: 1 entry of 2" in endings.shown(crucible, "reason")
    (details,) = endings.site.all(
        "SELECT details FROM SCHEMA.settlement_step WHERE crucible_id = %s AND details ? 'differences'", crucible
    )
    assert details[0]["differences"][0]["entry"] == one
    assert endings.moved(crucible) == (200, 0, 0)

    endings.ballots.lost.clear()
    with endings.open_session() as session:
        settlement.retry(session, crucible, "somebody")
    endings.go_on()

    assert (endings.state(crucible), endings.moved(crucible)) == ("done", (200, 0, 160))


def test_votes_that_change_after_the_proof_pay_nothing(endings: Endings) -> None:
    crucible = endings.crucible()
    one, other = endings.enter(crucible, [None, None])
    endings.ballots.vote(crucible, one, other)
    endings.end(crucible)
    endings.ballots.away["prove"] = 0
    watch = endings.watch()
    with endings.open_session() as session:
        settlement.note_crucibles(session)
        found = settlement.claim(session, "one", crucible)
        while found is not None and found.state is not SettlementState.PROVEN:
            found = watch._steps.step(session, found)  # type: ignore[assignment]
    endings.ballots.votes[crucible].append((other, one))

    endings.go_on()

    assert endings.state(crucible) == "parked"
    assert "gave" in endings.shown(crucible, "reason")
    assert endings.moved(crucible) == (200, 0, 0)


def test_somebody_else_s_result_is_parked(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.turn()
    endings.site.run("UPDATE \"Crucible\" SET status = 'Completed' WHERE id = %s", crucible)

    endings.go_on()

    assert (endings.state(crucible), endings.holds(user)) == ("parked", 900)
    assert "somebody else has closed it" in endings.shown(crucible, "reason")


def test_payouts_of_somebody_else_are_recorded_and_not_paid(endings: Endings) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)

    endings.go_on(payouts="external")

    assert (endings.state(crucible), endings.holds(user)) == ("done", 900)
    assert endings.shown(crucible, "payouts", "paid", "remainder") == ("external", 50, 50)
    assert endings.site.all("SELECT position, amount FROM SCHEMA.settlement_prize") == [(1, 50)]


def test_where_verdicts_keep_nobody_out_everybody_has_a_place(endings: Endings) -> None:
    crucible = endings.crucible()
    entries = [endings.site.enter(crucible) for _ in range(3)]
    endings.site.decide(FeePolicy(observe=True))
    late = endings.site.enter(crucible)
    endings.end(crucible)

    endings.turn(observe=True)

    assert [row[:2] for row in endings.table(crucible)] == list(zip([*entries, late], [1, 2, 3, 4], strict=True))
    assert endings.shown(crucible, "pool", "paid") == (400, 400)


def test_a_result_stays_whatever_becomes_of_its_crucible(endings: Endings) -> None:
    """A moderator who cancels after the result, or a deletion, undoes nothing: prizes may be on their way."""
    users = [endings.rich() for _ in range(2)]
    crucibles = [endings.crucible(), endings.crucible()]
    for crucible, user in zip(crucibles, users, strict=True):
        endings.enter(crucible, [user])
    for crucible in crucibles:
        endings.end(crucible)
    endings.turn()
    endings.site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s", crucibles[0])
    endings.site.run('DELETE FROM "Crucible" WHERE id = %s', crucibles[1])
    endings.site.decide()

    endings.go_on()
    endings.site.decide()
    endings.pay()

    assert [endings.state(crucible) for crucible in crucibles] == ["done", "done"]
    assert [endings.holds(user) for user in users] == [950, 950]
