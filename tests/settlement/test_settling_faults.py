"""What may go wrong while crucibles end: other processes, the Buzz service, clocks, and PostgreSQL."""

from collections import Counter
from threading import Thread
from typing import Any

import pytest

from tests.settlement.endings import PAST, Endings
from tests.stack.faults import arm
from watcher.model.errors import TemporaryError
from watcher.model.settlement import SettlementState
from watcher.postgres.own import outbox, settlement
from watcher.settlement import moving, result
from watcher.settlement.faults import OvertakenError
from watcher.settlement.moving import Wait

LOST_ANSWERS = ["500_after", "500_before", "close_after", "close_before", "503", "hollow", "garbage"]


def test_two_processes_settle_each_crucible_once(endings: Endings) -> None:
    crucibles = [endings.crucible() for _ in range(6)]
    for crucible in crucibles:
        endings.enter(crucible, [None])
    for crucible in crucibles:
        endings.end(crucible)

    settling = [Thread(target=endings.turn, kwargs={"owner": f"process {number}"}) for number in range(3)]
    for one in settling:
        one.start()
    for one in settling:
        one.join()
    endings.go_on()

    assert [endings.state(one) for one in crucibles] == ["done"] * 6
    assert Counter(one.crucible_id for one in endings.outcomes) == Counter(crucibles)
    assert [endings.moved(one) for one in crucibles] == [(100, 0, 50)] * 6


def test_who_wakes_up_after_another_process_has_settled_writes_nothing(endings: Endings) -> None:
    crucible, found = proven(endings)
    sleeper = endings.watch("sleeper")
    endings.go_on(owner="other")
    before = everything(endings)

    with endings.open_session() as session, pytest.raises(OvertakenError):
        moving.moved(session, found, SettlementState.RANKED)
    with endings.open_session() as session:
        sleeper._go_on(session, found)

    assert everything(endings) == before
    assert endings.moved(crucible) == (100, 0, 50)


def test_a_step_that_outlasts_its_lease_is_not_for_nothing(endings: Endings) -> None:
    crucible, found = proven(endings)
    endings.site.run("UPDATE SCHEMA.settlement SET claimed_until = now() - interval '1 s'")
    with endings.open_session() as session:
        other = settlement.claim(session, "other", crucible)
        assert other is not None

        endings.watch("sleeper")._go_on(session, found)
        assert endings.state(crucible) == "paying"
        endings.watch("other")._go_on(session, other)

    endings.go_on()
    assert endings.moved(crucible) == (100, 0, 50)
    assert endings.events(crucible).count("crucible.settled") == 1


def test_a_sleeper_with_another_proof_writes_nothing(endings: Endings) -> None:
    """Votes were mended meanwhile, and the ending has come to the same state with another result."""
    crucible, found = proven(endings)
    endings.site.run("UPDATE SCHEMA.settlement SET digest = 'another'")

    with endings.open_session() as session:
        endings.watch("sleeper")._go_on(session, found)

    assert (endings.state(crucible), endings.status(crucible)) == ("proven", "Active")


def test_without_its_state_a_sleeper_would_pay_a_second_result(
    endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the crucible's status and the row's state are what stops the one above."""
    crucible, found = proven(endings)
    endings.go_on(owner="other")
    endings.site.run("UPDATE \"Crucible\" SET status = 'Active' WHERE id = %s", crucible)
    endings.site.run("DELETE FROM SCHEMA.settlement_prize")
    endings.site.run("UPDATE SCHEMA.outbox SET key = 'before-' || key")
    monkeypatch.setattr(result, "moved", lambda _session, one, *_: one)

    with endings.open_session() as session:
        endings.watch("sleeper")._steps.step(session, found)

    assert endings.site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE kind = 'prize'") == 2


def test_a_prize_that_is_left_out_is_parked_and_holds_back_no_other(endings: Endings) -> None:
    crucible = endings.crucible()
    users = [endings.rich() for _ in range(3)]
    endings.enter(crucible, users)
    endings.end(crucible)
    endings.turn()
    arm(endings.service, {"kind": "drop_leg", "path": "/transactions"})

    endings.pay()
    endings.now()
    endings.turn()

    assert sorted(endings.holds(user) for user in users) == [900, 960, 990]
    assert endings.state(crucible) == "paying"
    assert endings.site.one("SELECT error FROM SCHEMA.outbox WHERE state = 'parked'").startswith(
        "Buzz took the request"
    )
    with endings.open_session() as session:
        outbox.redrive(session, row_id=None, channel="buzz")
    endings.go_on()
    assert endings.state(crucible) == "done"
    assert sorted(endings.holds(user) for user in users) == [960, 990, 1_050]


@pytest.mark.parametrize("kind", LOST_ANSWERS)
def test_one_prize_whatever_the_service_answers(endings: Endings, kind: str) -> None:
    crucible, user = endings.crucible(prizePositions='{"1": 29}'), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)
    endings.turn()
    arm(endings.service, {"kind": kind, "path": "/transactions"})

    endings.go_on()
    if kind == "hollow":  # a success that moved nothing is a refusal: somebody has to look
        assert (endings.state(crucible), endings.holds(user)) == ("paying", 900)
        with endings.open_session() as session:
            assert len(outbox.redrive(session, row_id=None, channel="buzz")) == 1
        endings.go_on()

    assert (endings.state(crucible), endings.holds(user)) == ("done", 929)
    assert endings.moved(crucible) == (100, 0, 29)


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_clock_of_a_process_ends_nothing(endings: Endings, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """PostgreSQL's clock alone says whether a crucible is over."""
    real = __import__("time").time
    monkeypatch.setattr("time.time", lambda: real() + hours * 3_600)
    soon, over = endings.crucible(), endings.crucible(endAt=PAST)
    endings.site.run(
        "UPDATE \"Crucible\" SET \"endAt\" = (now() AT TIME ZONE 'UTC') + interval '30 minutes' WHERE id = %s", soon
    )

    endings.go_on()

    assert [endings.state(one) for one in (soon, over)] == ["due", "done"]


@pytest.mark.parametrize(
    ("ahead", "goes_on"),
    [("1 hour", True), ("30 seconds", False)],
    ids=["the clock was set back", "control: a claim that holds"],
)
def test_a_claim_of_a_clock_that_was_set_back_holds_up_nothing(endings: Endings, ahead: str, goes_on: bool) -> None:
    crucible = endings.crucible(endAt=PAST)
    with endings.open_session() as session:
        settlement.note_crucibles(session)
        assert settlement.claim(session, "somebody who died") is not None
    endings.site.run(
        "UPDATE SCHEMA.settlement SET claimed_until = now() + %s::interval, next_at = now() + %s::interval",
        ahead,
        ahead,
    )

    endings.turn()

    assert (endings.state(crucible) != "due") is goes_on


@pytest.mark.parametrize(
    ("ahead", "holds"),
    [("1 hour", (950, 920)), ("30 seconds", (900, 900))],
    ids=["the clock was set back", "control: a wait and a claim that hold"],
)
def test_prizes_that_wait_by_a_clock_that_was_set_back_are_paid(
    endings: Endings, ahead: str, holds: tuple[int, int]
) -> None:
    """One was to be tried again later, and one was on its way when the clock was an hour ahead."""
    crucible, users = endings.crucible(prizePositions='{"1": 25, "2": 10}'), [endings.rich(), endings.rich()]
    endings.enter(crucible, users)
    endings.end(crucible)
    endings.turn()
    endings.site.run(
        "UPDATE SCHEMA.outbox SET next_at = now() + %s::interval WHERE kind = 'prize' AND payload ->> 'position' = '1'",
        ahead,
    )
    endings.site.run(
        "UPDATE SCHEMA.outbox SET state = 'sending', claimed_by = 'somebody', claimed_until = now() + %s::interval "
        "WHERE kind = 'prize' AND payload ->> 'position' = '2'",
        ahead,
    )

    endings.pay()

    assert tuple(endings.holds(user) for user in users) == holds


def test_a_commit_whose_answer_was_lost_is_found_done(endings: Endings, monkeypatch: pytest.MonkeyPatch) -> None:
    crucible, user = endings.crucible(), endings.rich()
    endings.enter(crucible, [user])
    endings.end(crucible)

    def lost(reached: str) -> None:
        if reached == "result.committed":
            monkeypatch.undo()
            raise TemporaryError("postgres is away: the answer to the commit was lost")

    monkeypatch.setattr(result, "reach", lost)
    endings.turn()
    assert endings.state(crucible) == "ranked"
    endings.go_on()

    assert (endings.state(crucible), endings.moved(crucible)) == ("done", (100, 0, 50))


def test_an_entry_that_goes_while_it_is_ranked_gets_no_prize(endings: Endings, monkeypatch: pytest.MonkeyPatch) -> None:
    crucible, users = endings.crucible(), [endings.rich(), endings.rich()]
    goes, stays = endings.enter(crucible, users)
    endings.end(crucible)
    rank = result.rank

    def slowly(*arguments: Any) -> Any:
        monkeypatch.undo()
        endings.site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', goes)
        return rank(*arguments)

    monkeypatch.setattr(result, "rank", slowly)
    endings.turn()
    assert endings.state(crucible) == "proven"
    endings.go_on()

    assert endings.table(crucible) == [(stays, 1, 1500, 0)]
    assert [endings.holds(user) for user in users] == [1_000, 950]


def proven(endings: Endings) -> tuple[int, settlement.Settlement]:
    """A crucible whose result is proven, as a process has it that falls asleep then."""
    crucible = endings.crucible()
    endings.enter(crucible, [None])
    endings.end(crucible)
    steps = endings.watch("sleeper")._steps
    with endings.open_session() as session:
        settlement.note_crucibles(session)
        found = settlement.claim(session, "sleeper", crucible)
        while found is not None and found.state is not SettlementState.PROVEN:
            now = steps.step(session, found)
            assert not isinstance(now, Wait)
            found = now
    assert found is not None
    return crucible, found


def everything(endings: Endings) -> list[Any]:
    """All that a result writes."""
    return [
        endings.site.all(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608 - of the list here
        for table in ("SCHEMA.settlement", "SCHEMA.settlement_step", "SCHEMA.settlement_prize", '"CrucibleEntry"')
    ] + [endings.site.one("SELECT count(*)::int FROM SCHEMA.outbox")]
