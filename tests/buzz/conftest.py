"""Both ways of keeping Buzz's books, so that one suite runs over both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from stack import Stack
from tests.stack.watching import started
from watcher.buzz.http import HttpBuzz
from watcher.buzz.ledger import Ledger
from watcher.buzz.port import Buzz
from watcher.postgres.session import open_session
from watcher.runtime.http_client import HttpClient

CLIENT_SECONDS = 1.0
"""What a client of the service waits that is to give up; the double holds a request for longer then."""
PATIENT_SECONDS = 30.0
"""What any other waits: a busy machine is no fault of the service."""
_numbers = count(1)


@dataclass(frozen=True)
class Books:
    """One way of keeping the books, and what an audit sees of it."""

    buzz: Buzz
    fund: Callable[[int, int], None]
    """User, Buzz."""
    holds: Callable[[int], int]
    """User or bank -> Buzz, by a question of the audit's own."""
    moved: Callable[[], int]
    """Number of all movements."""


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """The double of the service, and PostgreSQL for the ledger."""
    with started("buzz", "postgres") as stack:
        yield stack


@pytest.fixture
def service(parts: Stack) -> Iterator[httpx.Client]:
    """The double's door for tests."""
    with httpx.Client(base_url=parts.buzz.url, timeout=10) as client:
        yield client
        client.post("/_simulator/faults", json=[])


@pytest.fixture
def over_http(parts: Stack, service: httpx.Client) -> Books:
    """The site's service."""

    def told() -> dict[str, Any]:
        answer: dict[str, Any] = service.post("/_simulator/books", json={}).json()
        return answer

    def fund(user: int, amount: int) -> None:
        service.post("/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": amount})

    def holds(user: int) -> int:
        return sum(amount for account, _, amount in told()["balances"] if account == user)

    client = HttpClient("the Buzz service", "buzz.url", parts.buzz.url, PATIENT_SECONDS)
    return Books(HttpBuzz(client), fund, holds, lambda: len(told()["moved"]))


@pytest.fixture
def in_postgres(parts: Stack) -> Books:
    """The ledger, in a schema of its own."""
    dsn, schema = str(parts.endpoints.postgres_dsn), f"ledger_{next(_numbers)}"
    with psycopg.connect(dsn, autocommit=True) as administrator:
        administrator.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    ledger = Ledger(partial(open_session, dsn, schema))
    ledger.make()

    def one(query: str, *values: object) -> int:
        with psycopg.connect(dsn, autocommit=True) as audit:
            row = audit.execute(query.replace("SCHEMA", schema), values).fetchone()  # type: ignore[arg-type]
        return int(row[0] or 0) if row else 0

    return Books(
        ledger,
        lambda user, amount: ledger.fund(user, amount, f"test-fund-{next(_numbers)}"),
        lambda user: one("SELECT sum(amount) FROM SCHEMA.posting WHERE number = %s", user),
        lambda: one("SELECT count(*) FROM SCHEMA.transfer"),
    )


@pytest.fixture(params=["over_http", "in_postgres"])
def books(request: pytest.FixtureRequest) -> Books:
    """Each of both."""
    books: Books = request.getfixturevalue(request.param)
    return books


@pytest.fixture
def user(books: Books) -> int:
    """A user who holds 1,000 Buzz and was never heard of before."""
    number = 1_000 + next(_numbers)
    books.fund(number, 1_000)
    return number
