"""What the ledger's database refuses, whoever writes to it."""

from collections.abc import Iterator

import psycopg
import pytest

from stack import Stack
from tests.buzz.conftest import Books
from tests.buzz.test_buzz_contract import fee, prize
from watcher.buzz.ledger import Ledger
from watcher.model.buzz import BANK, Paid


@pytest.fixture
def books(in_postgres: Books) -> Books:
    """The ledger alone."""
    return in_postgres


@pytest.fixture
def raw(books: Books, parts: Stack) -> Iterator[psycopg.Connection]:
    """The database, past the ledger's code, with the ledger's schema in front."""
    assert isinstance(books.buzz, Ledger)
    with books.buzz._open() as session:
        schema = session.schema
    with psycopg.connect(str(parts.endpoints.postgres_dsn), autocommit=True) as connection:
        connection.execute(f"SET search_path TO {schema}")  # type: ignore[arg-type]
        yield connection


def test_a_crucible_pays_no_more_than_it_collected(books: Books, user: int) -> None:
    charge = fee(user, 100)
    books.buzz.charge(charge)

    assert books.buzz.pay([prize(charge, 2_000_001, 60, 1), prize(charge, 2_000_001, 60, 2)]) == [
        Paid.NOW,
        Paid.REFUSED,
    ]
    assert books.holds(2_000_001) == 60


def test_all_balances_add_up_to_nothing(books: Books, user: int, raw: psycopg.Connection) -> None:
    charge = fee(user, 100)
    books.buzz.charge(charge)
    books.buzz.pay([prize(charge, 2_000_001, 60)])
    books.buzz.refund(fee(user).prefix, "refund")

    assert raw.execute("SELECT sum(balance) FROM account").fetchone() == (0,)
    assert raw.execute("SELECT sum(amount) FROM posting").fetchone() == (0,)
    assert books.holds(BANK) == -960


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE transfer SET amount = 1", "ledger_is_append_only"),
        ("DELETE FROM posting", "ledger_is_append_only"),
        ("TRUNCATE transfer, posting", "ledger_is_append_only"),
        ("INSERT INTO posting VALUES (1, 5, 'User', 7)", "transfer_is_balanced"),
        ("UPDATE account SET balance = balance + 1 WHERE number <> 0", "balance_is_the_sum_of_postings"),
        ("UPDATE account SET balance = -1 WHERE number <> 0", "user_owes_nothing"),
        (
            (
                "INSERT INTO transfer (external_id, kind, amount, payer, payer_type, payee, payee_type, description) "
                "VALUES ('x', 5, 1, 0, 'User', 5, 'User', 'x')"
            ),
            "transfer_is_balanced",
        ),
    ],
)
def test_what_is_written_stays_right(
    books: Books, user: int, raw: psycopg.Connection, statement: str, rule: str
) -> None:
    books.buzz.charge(fee(user))

    with pytest.raises(psycopg.IntegrityError) as refused:
        raw.execute(statement)  # type: ignore[arg-type]

    assert refused.value.diag.constraint_name == rule


def test_making_it_again_changes_nothing(books: Books, user: int) -> None:
    assert isinstance(books.buzz, Ledger)
    charge = fee(user)
    books.buzz.charge(charge)

    books.buzz.make()

    assert books.holds(user) == 900
    assert books.buzz.charge(charge) == books.buzz.collected(charge.prefix)
