"""The audit of entries, endings and money agrees with what is right, and sees each way in which it can be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from demo.audit import AuditReport, Kind, audit
from demo.entries import buzz_books, money_audit
from demo.entries.buzz_books import BooksRead, Movement
from demo.site import SITE
from tests.demo.entered import FEE, bring_over_all, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from demo.judges.ledger import Cast
    from demo.places import Places
    from stack import Stack

TEMPLATE, COPY = "entered", "entered_copy"
REJECTED = "(SELECT min(entry_id) FROM crucible_watcher.entry_verdict WHERE verdict = 'rejected')"
"""An entry that breaks a rule; what is planted calls it by this name."""


@pytest.fixture(scope="module")
def casts(stores: Stack) -> list[Cast]:
    """The votes of a site on which everything has happened; its database is there to be copied."""
    with psycopg.connect(stores.postgres.dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {TEMPLATE}")  # type: ignore[arg-type]
    dsn = make_conninfo(stores.postgres.dsn, dbname=TEMPLATE)
    with psycopg.connect(dsn) as site:
        site.execute(SITE.read_text(encoding="utf-8"))  # type: ignore[arg-type]
    return fill(dsn, stores.buzz.url)


@pytest.fixture
def site(stores: Stack, casts: list[Cast]) -> Iterator[str]:
    """Connection string of a copy that a test may spoil."""
    with psycopg.connect(stores.postgres.dsn, autocommit=True) as admin:
        assert casts
        admin.execute(f"CREATE DATABASE {COPY} TEMPLATE {TEMPLATE}")  # type: ignore[arg-type]
        yield make_conninfo(stores.postgres.dsn, dbname=COPY)
        admin.execute(f"DROP DATABASE {COPY} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture
def look(places: Places, stores: Stack, casts: list[Cast]) -> Callable[[], AuditReport]:
    """Audits; every store is as it should be."""
    bring_over_all(places, casts)
    return lambda: audit(places, buzz_url=stores.buzz.url)


@pytest.fixture
def books(stores: Stack, casts: list[Cast]) -> BooksRead:
    """The Buzz service's."""
    assert casts
    return buzz_books.read(stores.buzz.url)


def places_of(report: AuditReport, kind: Kind) -> set[str]:
    """Where something of a kind is wrong."""
    return {finding.where for finding in report.findings if finding.kind is kind}


def test_what_is_right_passes(look: Callable[[], AuditReport]) -> None:
    report = look()

    assert report.ok, str(report)
    assert (report.admitted, report.rejected, report.refunded) == (8, 4, 3)
    assert (report.settled, report.paid, report.cancelled, report.votes) == (1, 3, 1, 5)


@pytest.mark.parametrize(
    ("planted", "kind", "where"),
    [
        pytest.param(
            "UPDATE crucible_watcher.entry_verdict SET verdict = 'admitted', reasons = '{}' WHERE entry_id = REJECTED",
            Kind.WRONG, {"verdicts", "verdict log", "verdict counts"}, id="let in against the rules",
        ),
        pytest.param(
            "UPDATE crucible_watcher.entry_decision SET verdict = 'waiting' WHERE entry_id = REJECTED",
            Kind.WRONG, {"decisions", "verdict log"}, id="decided against its own facts",
        ),
        pytest.param(
            'UPDATE "Crucible" SET "nsfwLevel" = 31', Kind.WRONG, {"verdicts"}, id="rules that changed unheard"
        ),
        pytest.param(
            "UPDATE \"Image\" SET ingestion = 'Scanned', \"nsfwLevel\" = 1",
            Kind.WRONG, {"verdicts"}, id="a scan unheard",
        ),
        pytest.param(
            "DELETE FROM crucible_watcher.entry_verdict WHERE entry_id = REJECTED",
            Kind.LOST, {"verdicts"}, id="never decided",
        ),
        pytest.param(
            'DELETE FROM "CrucibleEntry" WHERE id IN (SELECT entry_id FROM crucible_watcher.entry_verdict '
            "WHERE verdict = 'admitted')",
            Kind.LOST, {"verdicts"}, id="withdrawn unheard",
        ),
        pytest.param(
            "UPDATE \"Crucible\" SET status = 'Cancelled'", Kind.LOST, {"verdicts"}, id="cancelled unheard"
        ),
        pytest.param(
            "UPDATE crucible_watcher.outbox SET state = 'parked' WHERE id = 1", Kind.LOST, {"outbox"}, id="parked"
        ),
        pytest.param(
            "UPDATE crucible_watcher.entry_verdict SET fee = fee + 1 WHERE fee > 0",
            Kind.WRONG, {"fees", "pools by verdicts"}, id="more in the pool than was collected",
        ),
        pytest.param(
            "UPDATE site_buzz_purchase SET amount = amount + 1", Kind.WRONG, {"balances", "all balances"},
            id="less Buzz than was bought",
        ),
        pytest.param(
            'WITH thread AS (INSERT INTO "Thread" ("crucibleId") SELECT min(id) FROM "Crucible" RETURNING id) '
            'INSERT INTO "CommentV2" (content, "userId", "threadId", "updatedAt") '
            "SELECT 'x', 1, id, now() FROM thread",
            Kind.WRONG, {"verdict counts"}, id="a comment that was not counted",
        ),
        pytest.param(
            "UPDATE \"Crucible\" SET \"endAt\" = '2026-01-01' WHERE status = 'Active'", Kind.LOST, {"endings"},
            id="an end that nobody noticed",
        ),
        pytest.param(
            "WITH forgotten AS (DELETE FROM crucible_watcher.settlement WHERE state = 'due') "
            "UPDATE \"Crucible\" SET \"endAt\" = '2026-01-01' WHERE status = 'Active'",
            Kind.LOST, {"endings"}, id="an end that nobody knows of",
        ),
        pytest.param(
            "UPDATE crucible_watcher.settlement SET state = 'parked', parked_from = 'paying', reason = 'planted' "
            "WHERE settled_at IS NOT NULL",
            Kind.LOST, {"endings"}, id="an ending that is parked",
        ),
        pytest.param(
            'UPDATE "CrucibleEntry" SET position = 5 - position WHERE position IS NOT NULL', Kind.WRONG, {"places"},
            id="the last are the first",
        ),
        pytest.param(
            'UPDATE "CrucibleEntry" SET score = score + 1 WHERE position = 1', Kind.WRONG, {"places"},
            id="a better score",
        ),
        pytest.param(
            "UPDATE crucible_watcher.settlement_prize SET amount = amount + 1 WHERE position = 3",
            Kind.WRONG, {"prizes", "payouts"}, id="a larger prize",
        ),
        pytest.param(
            'UPDATE "Crucible" SET "prizePositions" = \'{"1": 100}\'', Kind.WRONG, {"prizes"},
            id="divided otherwise than it says",
        ),
        pytest.param(
            "UPDATE crucible_watcher.settlement SET pool = pool + 1, remainder = remainder + 1 WHERE pool > 0",
            Kind.WRONG, {"endings"}, id="another pool than was collected",
        ),
        pytest.param(
            "UPDATE crucible_watcher.settlement SET seq = seq - 1", Kind.LOST, {"last votes"},
            id="a vote that came too late counts",
        ),
    ],
)  # fmt: skip
def test_what_is_planted_in_postgres_is_found(
    look: Callable[[], AuditReport], places: Places, planted: str, kind: Kind, where: set[str]
) -> None:
    places.postgres.execute(planted.replace("REJECTED", REJECTED))  # type: ignore[arg-type]

    assert places_of(look(), kind) >= where


def test_a_pool_that_clickhouse_counts_otherwise_is_found(look: Callable[[], AuditReport], places: Places) -> None:
    places.clickhouse.command(
        "ALTER TABLE entityMetricEvents DELETE WHERE metricType = 'PrizePool'", settings={"mutations_sync": 2}
    )

    assert places_of(look(), Kind.WRONG) == {"verdict counts", "pools in ClickHouse"}


def _ours(books: BooksRead) -> Movement:
    """A fee that we took, and that nobody gave back."""
    return next(charge for charge in books.held if charge.prefix.startswith(money_audit.OURS))


def _more(books: BooksRead, *moved: Movement) -> BooksRead:
    """The same books with more in them, and with the balances that this makes."""
    balances = dict(books.balances)
    for each in moved:
        for account, sign in (((each.from_account, each.from_type), -1), ((each.to_account, each.to_type), 1)):
            balances[account] = balances.get(account, 0) + sign * each.amount
    return BooksRead(balances, (*books.moved, *moved))


def charged_under_the_same_name(books: BooksRead) -> BooksRead:
    return _more(books, replace(_ours(books), id="again"))


def charged_under_another_name(books: BooksRead) -> BooksRead:
    first = _ours(books)
    number = first.prefix.split("-")[3]
    return _more(books, replace(first, id="again", external=f"crucible-entry-9999-{number}-User"))


def charged_too_much(books: BooksRead) -> BooksRead:
    fee = _ours(books)
    return _more(_without(books, fee), replace(fee, amount=fee.amount + 1))


def refunded_twice(books: BooksRead) -> BooksRead:
    return _more(books, replace(books.refunds[0], id="again"))


def paid_for_nothing(books: BooksRead) -> BooksRead:
    return _more(books, Movement("gift", "gift-1", 0, "User", 1, "User", 50))


def never_refunded(books: BooksRead) -> BooksRead:
    return _without(books, books.refunds[0])


def refunded_though_it_is_in(books: BooksRead) -> BooksRead:
    fee = _ours(books)
    back = replace(fee, id="back", external=None, from_account=0, to_account=fee.from_account, refund_of=fee.id)
    return _more(books, back)


def of_nobody(books: BooksRead) -> BooksRead:
    return _more(books, Movement("lone", "site-nobody-User", books.held[0].from_account, "User", 0, "User", FEE))


def _prize(books: BooksRead) -> Movement:
    """A prize that was paid."""
    return next(each for each in books.moved if (each.external or "").startswith(money_audit.PRIZES))


def _without(books: BooksRead, gone: Movement) -> BooksRead:
    """The same books as if something had not moved."""
    back = replace(
        gone, from_account=gone.to_account, from_type=gone.to_type, to_account=gone.from_account, to_type=gone.from_type
    )
    return BooksRead(_more(books, back).balances, tuple(each for each in books.moved if each.id != gone.id))


def prize_paid_twice(books: BooksRead) -> BooksRead:
    return _more(books, replace(_prize(books), id="again"))


def prize_not_paid(books: BooksRead) -> BooksRead:
    return _without(books, _prize(books))


def prize_of_nobody(books: BooksRead) -> BooksRead:
    return _more(books, replace(_prize(books), id="other", external="crucible-prize-9999-1"))


def prize_to_somebody_else(books: BooksRead) -> BooksRead:
    prize = _prize(books)
    return _more(_without(books, prize), replace(prize, to_account=prize.to_account + 1))


def out_of_thin_air(books: BooksRead) -> BooksRead:
    return BooksRead({**books.balances, (77_777, "User"): 10}, books.moved)


@pytest.mark.parametrize(
    ("planted", "kind", "where"),
    [
        (charged_under_the_same_name, Kind.TWICE, {"charges"}),
        (charged_under_another_name, Kind.TWICE, {"charges"}),
        (charged_too_much, Kind.WRONG, {"charges", "fees", "pools by verdicts", "pools in ClickHouse"}),
        (refunded_twice, Kind.TWICE, {"refunds"}),
        (paid_for_nothing, Kind.TWICE, {"payments"}),
        (never_refunded, Kind.LOST, {"refunds"}),
        (refunded_though_it_is_in, Kind.WRONG, {"fees", "pools by verdicts", "pools in ClickHouse"}),
        (of_nobody, Kind.LOST, {"refunds"}),
        (prize_paid_twice, Kind.TWICE, {"payouts"}),
        (prize_not_paid, Kind.LOST, {"payouts"}),
        (prize_of_nobody, Kind.TWICE, {"payouts"}),
        (prize_to_somebody_else, Kind.WRONG, {"payouts"}),
        (out_of_thin_air, Kind.WRONG, {"balances", "all balances"}),
    ],
)
def test_what_is_planted_in_the_books_is_found(
    look: Callable[[], AuditReport],
    books: BooksRead,
    monkeypatch: pytest.MonkeyPatch,
    planted: Callable[[BooksRead], BooksRead],
    kind: Kind,
    where: set[str],
) -> None:
    spoilt = planted(books)
    monkeypatch.setattr(buzz_books, "read", lambda _: spoilt)

    assert places_of(look(), kind) == where
