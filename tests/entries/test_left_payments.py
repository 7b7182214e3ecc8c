"""Fees that the site took for entries whose row went, or names them no more, before anybody had looked: all go back."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import errors

import debezium
from stack import Stack
from tests import site_database
from tests.entries.site import Site
from tests.entries.test_fees import FEE, charged_by_the_site, holds, legs, rich
from tests.entries.test_killed import DECIDING, KILLED, Processes, processes
from watcher.admin.doctor.postgres.payments import payments
from watcher.entries.decider import Decider
from watcher.model.entry_decision import FeePolicy

__all__ = ["processes", "rich"]

WAYS = {
    "the row": 'DELETE FROM "CrucibleEntry" WHERE id = %(entry)s',
    "its crucible": 'DELETE FROM "Crucible" WHERE id = %(crucible)s',
    "its entrant": 'DELETE FROM "User" WHERE id = %(user)s',
    "its image": 'DELETE FROM "Image" WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %(entry)s)',
    "who made its crucible": 'DELETE FROM "User" WHERE id = (SELECT "userId" FROM "Crucible" WHERE id = %(crucible)s)',
    "all entries": 'TRUNCATE "CrucibleEntry"',
    "all crucibles": 'TRUNCATE "Crucible" CASCADE',
}
"""How an entry's row goes."""
BACK = (1_000, (1, 1))
"""What somebody holds who had 1,000 Buzz and got a fee back, and how many fees were taken of them and went back."""
KEPT = (1_000 - FEE, (1, 0))


def paid(site: Site, service: httpx.Client, user: int, crucible: int, number: int = 1, **columns: Any) -> int:
    """An entry whose fee the site has taken."""
    prefix = f"site-{user}-{number}-"
    charged_by_the_site(service, user, prefix)
    return site.enter(crucible, user, buzzTransactionId=prefix, **columns)


def come_to_rest(site: Site) -> None:
    """Everything decided and carried out, twice."""
    for _ in range(2):
        site.decide()
        site.settle()
    assert site.one("SELECT count(*)::int FROM SCHEMA.left_payment") == 0


def money(service: httpx.Client, user: int) -> tuple[int, tuple[int, int]]:
    """What a user holds, and how many fees were taken and went back."""
    return holds(service, user), legs(service, user)


@pytest.mark.parametrize("way", WAYS)
def test_an_entry_that_goes_unseen_is_withdrawn_and_gets_its_fee_back(
    site: Site, rich: int, service: httpx.Client, way: str
) -> None:
    """Nobody was told of it: the role was not there, and no change stream is."""
    crucible = site.crucible(entryFee=FEE)
    entry = paid(site, service, rich, crucible)
    site.admin.execute(WAYS[way], {"entry": entry, "crucible": crucible, "user": rich})  # type: ignore[arg-type]

    come_to_rest(site)

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert money(service, rich) == BACK
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE kind = 'refund'") == 1
    assert site.all("SELECT type FROM SCHEMA.crucible_event ORDER BY number") == [
        ("entry.withdrawn",),
        ("fee.refunded",),
    ]


@pytest.mark.parametrize("way", ["the row", "its crucible", "all entries"])
def test_without_the_triggers_nobody_gets_it_back(site: Site, rich: int, service: httpx.Client, way: str) -> None:
    """The control: what names the payment is gone with the row."""
    crucible = site.crucible(entryFee=FEE)
    entry = paid(site, service, rich, crucible)
    site.run('ALTER TABLE "CrucibleEntry" DISABLE TRIGGER USER')
    try:
        site.admin.execute(WAYS[way], {"entry": entry, "crucible": crucible})  # type: ignore[arg-type]
    finally:
        site.run('ALTER TABLE "CrucibleEntry" ENABLE TRIGGER USER')

    come_to_rest(site)

    assert site.verdict(entry) is None
    assert money(service, rich) == KEPT


@pytest.mark.parametrize("way", ["the row", "its crucible", "all entries"])
@pytest.mark.parametrize("state", ["for its scan", "for its fee", "in"])
def test_an_entry_that_goes_while_it_waits_gets_its_fee_back(
    site: Site, rich: int, service: httpx.Client, state: str, way: str
) -> None:
    """The fee was asked about, or not even that, or was counted."""
    crucible = site.crucible(entryFee=FEE)
    image = site.image(rich, ingestion="Pending") if state == "for its scan" else None
    entry = paid(site, service, rich, crucible, imageId=image or site.image(rich))
    site.decide()
    if state == "in":
        site.settle()
        assert site.verdict(entry) == ("admitted", [], FEE)
    site.admin.execute(WAYS[way], {"entry": entry, "crucible": crucible, "user": rich})  # type: ignore[arg-type]

    come_to_rest(site)

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert money(service, rich) == BACK


def again(site: Site, entry: int, crucible: int, user: int, number: int) -> None:
    """A row with the id of one that was deleted, in the same transaction."""
    with site.admin.transaction():
        site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
        site.enter(crucible, user, id=entry, buzzTransactionId=f"site-{user}-{number}-")


@pytest.mark.parametrize("decided", [False, True])
def test_a_row_that_comes_back_with_its_payment_is_the_same_entry(
    site: Site, rich: int, service: httpx.Client, decided: bool
) -> None:
    crucible = site.crucible(entryFee=FEE)
    entry = paid(site, service, rich, crucible)
    if decided:
        come_to_rest(site)
    again(site, entry, crucible, rich, 1)

    come_to_rest(site)

    assert site.verdict(entry) == ("admitted", [], FEE)
    assert money(service, rich) == KEPT


@pytest.mark.parametrize("looked", ["never", "before", "in between", "before, and at the row first"])
def test_a_row_with_the_id_of_another_that_was_paid_as_well(
    site: Site, rich: int, service: httpx.Client, looked: str
) -> None:
    """Neither is lost: the new row's is its fee, or goes back where the id is that of a withdrawn entry."""
    crucible = site.crucible(entryFee=FEE)
    entry = paid(site, service, rich, crucible)
    charged_by_the_site(service, rich, f"site-{rich}-2-")
    if looked.startswith("before"):
        come_to_rest(site)
    if looked == "in between":
        site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
        come_to_rest(site)
    again(site, entry, crucible, rich, 2)
    if looked.endswith("first"):
        with site.open_session() as session:
            Decider(FeePolicy(), "watch").decide(session, [entry])

    come_to_rest(site)

    if looked == "never":
        assert site.verdict(entry) == ("admitted", [], FEE)
        assert money(service, rich) == (1_000 - FEE, (2, 1))
    else:
        assert site.verdict(entry) == ("withdrawn", [], 0)
        assert money(service, rich) == (1_000, (2, 2))


@pytest.mark.parametrize(
    ("decided", "named", "expected", "left"),
    [
        (False, None, ("admitted", [], FEE), (2, 1)),  # it goes back, and we charge as for any entry
        (False, 2, ("admitted", [], FEE), (2, 1)),
        (True, None, ("admitted", [], FEE), (1, 0)),  # it was asked about, and stays the entry's
        (True, 2, ("admitted", [], FEE), (2, 1)),
    ],
)
def test_a_row_that_names_another_payment_or_none(
    site: Site, rich: int, service: httpx.Client, decided: bool, named: int | None, expected: object, left: object
) -> None:
    """One payment is the entry's, and any other goes back, whichever was named first."""
    entry = paid(site, service, rich, site.crucible(entryFee=FEE))
    if named:
        charged_by_the_site(service, rich, f"site-{rich}-{named}-")
    if decided:
        come_to_rest(site)
    site.run(
        'UPDATE "CrucibleEntry" SET "buzzTransactionId" = %s WHERE id = %s',
        f"site-{rich}-{named}-" if named else None, entry,
    )  # fmt: skip

    come_to_rest(site)

    assert site.verdict(entry) == expected
    assert money(service, rich) == (1_000 - FEE, left)


def test_a_payment_that_left_its_row_lets_nobody_in(site: Site, rich: int, service: httpx.Client) -> None:
    """It went back; named again, by the same row or another, it is no fee."""
    crucible = site.crucible(entryFee=FEE, entryLimit=9)
    entry = paid(site, service, rich, crucible)
    site.run('UPDATE "CrucibleEntry" SET "buzzTransactionId" = NULL WHERE id = %s', entry)
    with site.open_session() as session:
        Decider(FeePolicy(charge=False), "watch").take_back(session)
    site.settle()
    site.run('UPDATE "CrucibleEntry" SET "buzzTransactionId" = %s WHERE id = %s', f"site-{rich}-1-", entry)
    other = site.enter(crucible, rich, buzzTransactionId=f"site-{rich}-1-")

    for _ in range(2):
        site.decide(FeePolicy(charge=False))
        site.settle()

    assert [site.verdict(one) for one in (entry, other)] == [("rejected", ["unpaid"], 0)] * 2
    assert money(service, rich) == BACK


def test_a_payment_that_came_after_the_verdict_is_asked_about(site: Site, rich: int, service: httpx.Client) -> None:
    """Rejected as unpaid, and then paid for; or rejected for another reason, and then it goes back."""
    crucible, other = site.crucible(entryFee=FEE), site.crucible(entryFee=FEE, nsfwLevel=8)
    entries = [site.enter(one, rich) for one in (crucible, other)]
    site.decide(FeePolicy(charge=False))
    assert [site.verdict(one)[0] for one in entries] == ["rejected"] * 2  # type: ignore[index]
    for number, entry in enumerate(entries):
        charged_by_the_site(service, rich, f"site-{rich}-{number}-")
        site.run('UPDATE "CrucibleEntry" SET "buzzTransactionId" = %s WHERE id = %s', f"site-{rich}-{number}-", entry)

    come_to_rest(site)

    assert [site.verdict(one) for one in entries] == [("admitted", [], FEE), ("rejected", ["level_not_allowed"], 0)]
    assert money(service, rich) == (1_000 - FEE, (2, 1))
    assert site.one("SELECT count(*)::int FROM SCHEMA.crucible_event WHERE type = 'entry.rejected'") == 2


@pytest.mark.parametrize(("gone", "expected"), [(1, KEPT), (2, BACK)])
def test_a_payment_that_two_rows_name_goes_back_with_the_last(
    site: Site, rich: int, service: httpx.Client, gone: int, expected: object
) -> None:
    one, other = site.crucible(entryFee=FEE), site.crucible(entryFee=FEE)
    entries = [paid(site, service, rich, one), site.enter(other, rich, buzzTransactionId=f"site-{rich}-1-")]
    site.run('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', entries[:gone])

    come_to_rest(site)

    assert money(service, rich) == expected
    assert [site.verdict(entry)[0] for entry in entries] == (
        ["withdrawn"] * 2 if gone == 2 else ["withdrawn", "admitted"]
    )  # type: ignore[index]


@pytest.mark.parametrize("way", ["the row", "its crucible", "all crucibles", "the payment"])
def test_a_payment_of_a_result_stays(site: Site, rich: int, service: httpx.Client, way: str) -> None:
    """Of a crucible that ended before the watcher came, prizes were paid with it."""
    crucible = site.crucible(entryFee=FEE)
    entry = paid(site, service, rich, crucible)
    site.run("UPDATE \"Crucible\" SET status = 'Completed' WHERE id = %s", crucible)
    ways = WAYS | {"the payment": 'UPDATE "CrucibleEntry" SET "buzzTransactionId" = NULL WHERE id = %(entry)s'}
    site.admin.execute(ways[way], {"entry": entry, "crucible": crucible})  # type: ignore[arg-type]

    come_to_rest(site)

    assert site.verdict(entry) is None
    assert money(service, rich) == KEPT


def test_who_came_after_our_result_was_no_part_of_it(site: Site, rich: int, service: httpx.Client) -> None:
    crucible = site.crucible(entryFee=FEE, status="Completed")
    site.run(
        "INSERT INTO SCHEMA.settlement "
        "(crucible_id, name, creator_id, state, settled_at, digest, pool, paid, remainder) "
        "VALUES (%s, 'x', 1, 'done', now(), 'x', 0, 0, 0)",
        crucible,
    )
    entry = paid(site, service, rich, crucible)
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)

    come_to_rest(site)

    assert money(service, rich) == BACK


def test_observing_gives_nothing_back(site: Site, rich: int, service: httpx.Client) -> None:
    entry = paid(site, service, rich, site.crucible(entryFee=FEE))
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)

    site.decide(FeePolicy(observe=True))
    site.settle()

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert money(service, rich) == KEPT
    assert site.one("SELECT count(*)::int FROM SCHEMA.left_payment") == 0


def test_who_observed_first_takes_the_fees_in_from_then_on(site: Site, rich: int, service: httpx.Client) -> None:
    """Who is in adds the fee to the pool from then on, and who is out gets it back."""
    crucible, other = site.crucible(entryFee=FEE), site.crucible(entryFee=FEE, nsfwLevel=8)
    entries = [paid(site, service, rich, one, number) for number, one in enumerate((crucible, other))]
    site.decide(FeePolicy(observe=True))

    come_to_rest(site)

    assert [site.verdict(one) for one in entries] == [("admitted", [], FEE), ("rejected", ["level_not_allowed"], 0)]
    assert money(service, rich) == (1_000 - FEE, (2, 1))


def test_a_site_that_was_not_prepared_is_decided_all_the_same(site: Site) -> None:
    """What is not noted cannot be given back; `crucible doctor` says so."""
    site.run("DROP TABLE SCHEMA.left_payment")
    entry = site.enter(site.crucible())

    site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)


def test_a_crucible_that_was_cancelled_unseen_gives_back_what_it_took(
    site: Site, rich: int, service: httpx.Client
) -> None:
    """It was made, entered and cancelled while nobody looked; one of before we came is none of our business."""
    crucible, older = site.crucible(entryFee=FEE), site.crucible(entryFee=FEE, createdAt="2020-01-01")
    entries = [paid(site, service, rich, one, number) for number, one in enumerate((crucible, older))]
    site.run("UPDATE \"Crucible\" SET status = 'Cancelled'")

    come_to_rest(site)

    assert [site.verdict(one) for one in entries] == [("rejected", ["crucible_not_active"], 0), None]
    assert money(service, rich) == (1_000 - FEE, (2, 1))


def test_a_statement_that_is_undone_leaves_nothing(site: Site, rich: int, service: httpx.Client) -> None:
    entry = paid(site, service, rich, site.crucible(entryFee=FEE))
    with site.admin.transaction(force_rollback=True):
        site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)

    come_to_rest(site)

    assert site.verdict(entry) == ("admitted", [], FEE)


@pytest.mark.parametrize("place", DECIDING)
def test_killed_while_taking_back(
    site: Site, rich: int, service: httpx.Client, processes: Processes, place: str
) -> None:
    """The role is not there while the row goes, and dies when it comes: nothing of it is written, or all."""
    crucible = site.crucible(entryFee=FEE, entryLimit=9)
    deleted, changed = (paid(site, service, rich, crucible, number) for number in (1, 2))
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', deleted)
    site.run('UPDATE "CrucibleEntry" SET "buzzTransactionId" = NULL, "imageId" = %s', site.image(site.user()))

    assert processes.decide(place) == KILLED
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE kind = 'refund'") == 0
    for _ in range(2):
        assert processes.decide() == 0
        site.settle()

    assert site.verdict(deleted) == ("withdrawn", [], 0)
    assert site.verdict(changed) == ("rejected", ["not_image_owner"], 0)
    assert money(service, rich) == (1_000, (2, 2))


def test_many_at_once_take_each_back_once(site: Site, rich: int, service: httpx.Client) -> None:
    crucibles = [site.crucible(entryFee=10) for _ in range(4)]
    entries = [
        site.enter(crucible, rich, buzzTransactionId=f"site-{rich}-{number}-")
        for number, crucible in enumerate(crucibles * 5)
    ]
    for number in range(len(entries)):
        charged_by_the_site(service, rich, f"site-{rich}-{number}-", 10)
    site.run('DELETE FROM "CrucibleEntry"')

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: site.decide(), range(4)))
    come_to_rest(site)

    assert [site.verdict(entry) for entry in entries] == [("withdrawn", [], 0)] * 20
    assert money(service, rich) == (1_000, (20, 20))
    assert site.one("SELECT count(*)::int FROM SCHEMA.entry_decision") == 20


WATCHER = site_database.WATCHER_ROLE


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {}.left_payment SET prefix = 'crucible-entry-1-1-'",
        "TRUNCATE {}.left_payment",
        "CREATE TRIGGER mine AFTER INSERT ON {}.left_payment EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP FUNCTION {}.note_left_payment() CASCADE",
        "INSERT INTO {}.completed_crucible VALUES (1)",
    ],
)
def test_what_runs_in_the_site_s_transactions_is_not_the_watcher_s(parts: Stack, site: Site, statement: str) -> None:
    dsn = site_database.as_role(str(parts.endpoints.postgres_dsn), WATCHER)
    with psycopg.connect(dsn) as watcher, pytest.raises(errors.InsufficientPrivilege):
        watcher.execute(statement.format(f'"{site.schema}"'))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "table"),
    [
        (debezium.PAYMENTS, "left_payment"),
        (debezium.PAYMENTS, "completed_crucible"),
        (debezium.THREADS, "crucible_comment"),
    ],
)
def test_a_table_that_the_watcher_has_made_first_is_refused(parts: Stack, file: Path, table: str) -> None:
    """Whatever hangs from it would run with the rights of who runs the file."""
    dsn = site_database.as_role(str(parts.endpoints.postgres_dsn), WATCHER)
    place = f"first_{table}"
    with psycopg.connect(str(parts.endpoints.postgres_dsn)) as admin:
        admin.execute(f"CREATE SCHEMA {place}")  # type: ignore[arg-type]
        admin.execute(f"GRANT CREATE, USAGE ON SCHEMA {place} TO crucible_watcher")  # type: ignore[arg-type]
        admin.commit()
        with psycopg.connect(dsn) as watcher:
            watcher.execute(f"CREATE TABLE {place}.{table} (crucible_id integer)")  # type: ignore[arg-type]
        admin.execute(f"SET crucible.watcher_schema = '{place}'")  # type: ignore[arg-type]
        with pytest.raises(errors.RaiseException, match=f"{table} belongs to crucible_watcher"):
            admin.execute(file.read_bytes())


def test_the_doctor_names_what_is_not_noted(site: Site) -> None:
    """A trigger that is off, or writes for another watcher, notes nothing for this one."""
    with site.open_session() as session:
        (whole,) = payments(session)
        site.run('ALTER TABLE "CrucibleEntry" DISABLE TRIGGER crucible_payments_emptied')
        (found,) = payments(session)
        site.run('ALTER TABLE "CrucibleEntry" ENABLE TRIGGER crucible_payments_emptied')
        session.schema = "another"
        (other,) = payments(session)

    assert [one.level.value for one in (whole, found, other)] == ["ok", "fail", "fail"]
    assert found.found.startswith("lacks crucible_payments_emptied:")
    assert "payments.sql" in found.advice
