"""What other services are told of entries and fees: with what happened or not at all, and once."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.entries.site import Site
from tests.entries.test_fees import FEE, due_now
from tests.entries.test_fees import rich as rich  # noqa: PLC0414 - a fixture
from tests.stack.faults import arm
from watcher.events.forget import ForgetEvents
from watcher.model.crucible_events import fee_refunded
from watcher.postgres.own import crucible_event


def told(site: Site, crucible: int) -> list[tuple[str, Any]]:
    """Events of a crucible, in the order in which they were written."""
    return site.all("SELECT type, data FROM SCHEMA.crucible_event WHERE crucible_id = %s ORDER BY number", crucible)


def test_verdicts_are_told_with_what_was_collected(site: Site, rich: int) -> None:
    """An entry that waits is not told of; told again is only what has changed."""
    crucible = site.crucible(entryFee=FEE)
    entry = site.enter(crucible, rich)
    site.decide()
    assert told(site, crucible) == []

    site.settle()
    site.decide()

    ((kind, data),) = told(site, crucible)
    assert kind == "entry.admitted"
    assert (data["entryId"], data["userId"], data["fee"]) == (entry, rich, FEE)


def test_a_rejection_is_told_with_its_reasons(site: Site) -> None:
    crucible = site.crucible(nsfwLevel=1)
    user = site.user()
    site.enter(crucible, user, site.image(user, level=8))

    site.decide()

    ((kind, data),) = told(site, crucible)
    assert (kind, data["reasons"], data["enforced"]) == ("entry.rejected", ["level_not_allowed"], True)


@pytest.mark.parametrize("fault", ["", "close_before", "close_after", "500_after"])
def test_a_refund_is_told_once_with_its_sum(site: Site, rich: int, service: httpx.Client, fault: str) -> None:
    """Also where the answer was lost, and it had gone back before it was asked for again."""
    crucible = site.crucible(entryFee=FEE)
    entry = site.enter(crucible, rich)
    site.decide()
    site.settle()
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    site.decide()
    if fault:
        arm(service, {"kind": fault, "path": "/multi-transactions/refund"})

    site.settle()
    due_now(site)
    site.settle()

    events = told(site, crucible)
    assert [kind for kind, _ in events] == ["entry.admitted", "entry.withdrawn", "fee.refunded"]
    assert (events[2][1]["amount"], events[2][1]["entryId"], events[2][1]["userId"]) == (FEE, entry, rich)


def test_nothing_is_told_of_a_refund_of_nothing(site: Site, service: httpx.Client) -> None:
    """The site said that it would take a fee, and never did."""
    crucible = site.crucible(entryFee=FEE)
    entry = site.enter(crucible, buzzTransactionId="site-never-")
    site.decide()
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    site.decide()

    site.settle()

    assert [kind for kind, _ in told(site, crucible)] == ["entry.withdrawn"]


def test_many_are_written_in_few_statements(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand are one, unless they are large."""
    event = fee_refunded(crucible_id=7, entry_id=1, user_id=1, amount=1, prefix="p-")
    with site.open_session() as session:
        statements = []
        later = session.later
        monkeypatch.setattr(session, "later", lambda *given: statements.append(len(given[1])) or later(*given))
        crucible_event.write(session, [event] * 1_000)
        assert len(statements) == 1
        crucible_event.write(session, [])
        assert len(statements) == 1
        large = fee_refunded(crucible_id=7, entry_id=1, user_id=1, amount=1, prefix="p" * 1_500_000)
        crucible_event.write(session, [large, large, large, event])

    assert len(statements) == 3
    assert max(statements) < 4_000_000
    assert len(told(site, 7)) == 1_004


def test_old_events_are_forgotten_and_no_others(site: Site) -> None:
    """By the day; the rows behind an old one that is kept are old enough soon."""
    event = fee_refunded(crucible_id=8, entry_id=1, user_id=1, amount=1, prefix="p-")
    with site.open_session() as session:
        crucible_event.write(session, [event] * 10)
    oldest = site.all("SELECT number FROM SCHEMA.crucible_event WHERE crucible_id = 8 ORDER BY number LIMIT 4")
    site.run(
        "UPDATE SCHEMA.crucible_event SET time = now() - interval '169 h' WHERE number = ANY(%s)",
        [number for (number,) in oldest],
    )

    assert ForgetEvents(site.open_session, keep_days=8).turn() > 0
    assert len(told(site, 8)) == 10
    ForgetEvents(site.open_session, keep_days=7).turn()

    assert len(told(site, 8)) == 6


def test_written_beside_the_transaction_an_event_would_tell_of_what_never_was(site: Site) -> None:
    """The negative control: with a connection of its own it stays when what it tells of is undone."""
    event = fee_refunded(crucible_id=9, entry_id=1, user_id=1, amount=1, prefix="p-")

    class _UndoneError(Exception):
        pass

    def undone(*, beside: bool) -> None:
        with site.open_session() as session, session.together():
            session.run("UPDATE {schema}.entry_fee SET collected = 0")
            if beside:
                with site.open_session() as other:
                    crucible_event.write(other, [event])
            else:
                crucible_event.write(session, [event])
            raise _UndoneError

    for beside, left in ((False, 0), (True, 1)):
        with pytest.raises(_UndoneError):
            undone(beside=beside)
        assert len(told(site, 9)) == left


def test_what_is_no_event_of_ours_is_refused(site: Site) -> None:
    """The columns that others read are never empty."""
    with pytest.raises(psycopg.errors.NotNullViolation):
        site.run("INSERT INTO SCHEMA.crucible_event (type, crucible_id, subject) VALUES ('x', 1, 'y')")
