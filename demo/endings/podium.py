"""What a person is told of how crucibles ended: who won what, and where all the Buzz is."""

from collections.abc import Iterator

from demo.endings.ending_audit import prizes
from demo.entries.buzz_books import BANK, BooksRead
from demo.truth import Connection

SHOWN_CRUCIBLES = 3
"""Crucibles whose podium is told; those with the largest pool."""
RESULTS = """
SELECT crucible_id, name, entries, votes, pool
  FROM crucible_watcher.settlement
 WHERE settled_at IS NOT NULL
 ORDER BY pool DESC, votes DESC, crucible_id
 LIMIT %s
"""
WINNERS = """
SELECT prize.position, who.username, entry.score, prize.amount
  FROM crucible_watcher.settlement_prize prize
  JOIN "User" who ON who.id = prize.user_id
  JOIN "CrucibleEntry" entry ON entry.id = prize.entry_id
 WHERE prize.crucible_id = %s
 ORDER BY 1
"""


def podiums(postgres: Connection) -> Iterator[str]:
    """Yield a line for each of a few crucibles that have ended."""
    for crucible, name, entries, votes, pool in postgres.execute(RESULTS, (SHOWN_CRUCIBLES,)).fetchall():
        places = [
            f"{position}. {user} with {score} gets {amount}"
            for position, user, score, amount in postgres.execute(WINNERS, (crucible,))
        ]
        won = ", ".join(places) or "nobody wins anything"
        yield f"{name} (crucible {crucible}) ended: {entries} entries, {votes} votes, a pool of {pool} Buzz: {won}"


def ledger(books: BooksRead) -> str:
    """Return where all the Buzz went, in one line."""
    took, back = sum(one.amount for one in books.fees), sum(one.amount for one in books.refunds)
    won = sum(one.amount for one in prizes(books))
    bank = sum(amount for (account, _), amount in books.balances.items() if account == BANK)
    return f"Buzz: {took} in fees, {back} given back, {won} in prizes, and {bank} are left in the bank"
