"""The site's own dealings with the Buzz service: people buy Buzz, and the site takes the fee of some entries itself."""

from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Self

import httpx

BANK = 0
ENTRY_FEE = 25
"""The type of transaction that an entry's fee is."""
PATIENCE_SECONDS = 10.0
GIVING_BACK = 5
"""Attempts; the service fails once at a time."""
_BACK = frozenset({HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
PURCHASES = """
CREATE TABLE IF NOT EXISTS site_buzz_purchase (
    account integer NOT NULL, kind text NOT NULL, amount integer NOT NULL, PRIMARY KEY (account, kind)
)
"""
"""What people bought, in the site's own words: the audit holds the service's books to it."""
TO_SELL = """
INSERT INTO site_buzz_purchase
SELECT id, kind, amount
  FROM (SELECT id, row_number() OVER (ORDER BY id)::int AS n FROM "User" WHERE username LIKE 'user-%') one,
       LATERAL (VALUES
           ('User', CASE WHEN n % 9 = 0 THEN 0 WHEN n % 10 = 0 THEN 15 ELSE 200 + n % 7 * 300 END), -- some are poor
           ('Green', CASE WHEN n % 4 = 0 THEN 300 ELSE 0 END)) AS bought (kind, amount)
 WHERE amount > 0
ON CONFLICT DO NOTHING
RETURNING account, kind, amount
"""


class Till:
    """One connection to the service.

    Args:
        url: its base address.
    """

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and have nothing fail any more that was to."""
        with suppress(httpx.HTTPError):
            self._post("/_simulator/faults", [])
        self._client.close()

    def sell(self, purchases: Iterable[tuple[int, str, int]]) -> None:
        """Give people the Buzz that they bought: account, kind and amount of each."""
        names = ("accountId", "accountType", "amount")
        self._post("/_simulator/fund", [dict(zip(names, one, strict=True)) for one in purchases])

    def charge(self, user: int, amount: int, prefix: str, kind: str = "yellow") -> bool:
        """Take a fee under a prefix; tell whether it was taken. An answer that says nothing is looked up."""
        body = {
            "fromAccountTypes": [kind], "fromAccountId": user, "toAccountId": BANK, "amount": amount,
            "type": ENTRY_FEE, "externalTransactionIdPrefix": prefix, "description": "Crucible entry fee",
        }  # fmt: skip
        try:
            if self._client.post("/multi-transactions", json=body).status_code == HTTPStatus.BAD_REQUEST:
                return False
        except httpx.TransportError:
            pass
        legs = self._client.get("/multi-transactions", params={"externalTransactionIdPrefix": prefix})
        return bool(legs.raise_for_status().json())

    def give_back(self, prefix: str) -> None:
        """Give a fee back that was taken for an entry which was not made after all; asked again until it is so."""
        for _ in range(GIVING_BACK):
            try:
                answer = self._client.post("/multi-transactions/refund", json={"externalTransactionIdPrefix": prefix})
            except httpx.TransportError:
                continue
            if answer.status_code in _BACK:
                return
        raise TimeoutError(f"{prefix} was not given back in {GIVING_BACK} attempts")

    def hiccup(self, kind: str) -> None:
        """Have the next request that moves Buzz fail, in one of the ways that the real service is known for."""
        self._post("/_simulator/faults", [{"kind": kind, "path": "/multi-transactions"}])

    def _post(self, path: str, body: object) -> None:
        self._client.post(path, json=body).raise_for_status()
