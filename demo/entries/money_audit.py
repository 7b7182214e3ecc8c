"""Compares money: the Buzz service's own books with what people bought, each entry's verdict, and the pools."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from demo.disagreement import Disagreement, Kind, compare_sums
from demo.entries.buzz_books import BANK, BooksRead, Movement
from demo.truth import Connection

BOUGHT = "SELECT account, kind, sum(amount)::bigint FROM site_buzz_purchase GROUP BY 1, 2"
ENTRIES = """
SELECT fee.prefix, fee.entry_id, fee.crucible_id, 'returned', 0
  FROM crucible_watcher.entry_fee fee WHERE fee.returned
UNION ALL
SELECT fee.prefix, fee.entry_id, seen.crucible_id, seen.verdict, seen.fee
  FROM crucible_watcher.entry_fee fee JOIN crucible_watcher.entry_verdict seen USING (entry_id)
 WHERE NOT fee.returned
"""
WAITING = """
SELECT entry."buzzTransactionId", entry.id, seen.crucible_id, seen.verdict, seen.fee
  FROM "CrucibleEntry" entry JOIN crucible_watcher.entry_verdict seen ON seen.entry_id = entry.id
 WHERE seen.verdict = 'waiting' AND entry."buzzTransactionId" IS NOT NULL
"""
"""Entries whose fee nobody has asked for yet, because they wait for something else."""
ASKED = """
SELECT fee.prefix, (log.facts #>> '{facts,crucible,entry_fee}')::int
  FROM crucible_watcher.entry_fee fee
 CROSS JOIN LATERAL (
     SELECT facts FROM crucible_watcher.entry_decision log
      WHERE log.entry_id = fee.entry_id AND 'fee_pending' = ANY (log.reasons) ORDER BY log.id LIMIT 1
 ) log
 WHERE fee.source = 'watcher'
"""
"""What the watcher was to take of each entry: the fee that its crucible said when it was asked for."""
POOLS = "SELECT crucible_id, sum(fee)::bigint FROM crucible_watcher.entry_verdict GROUP BY 1 HAVING sum(fee) <> 0"
PRIZE_POOLS = """
SELECT entityId, sum(metricValue) FROM entityMetricEvents
WHERE entityType = 'Crucible' AND metricType = 'PrizePool' GROUP BY 1
"""
PRIZES = "crucible-prize-"
"""What the names of prizes begin with; the audit of endings looks at those."""
RETURNED = "returned"
"""What stands for the verdict where a payment is no entry's fee."""
OURS = "crucible-entry-"
"""What the names of fees begin with that the watcher takes: then the crucible's id and the entry's."""


@dataclass(frozen=True, slots=True)
class PaidEntry:
    """An entry that somebody has paid for."""

    entry: int
    crucible: int
    verdict: str
    fee: int
    """What it adds to the pool, as PostgreSQL has it."""


def compare(postgres: Connection, clickhouse: Client, books: BooksRead) -> list[Disagreement]:
    """Return what the books, the verdicts and the pools that are shown disagree about."""
    entries = paid_entries(postgres)
    shown = {crucible: int(pool) for crucible, pool in clickhouse.query(PRIZE_POOLS).result_rows}
    fees = {crucible: int(fees) for crucible, fees in postgres.execute(POOLS)}
    return [
        *conserved(books, bought(postgres)),
        *once(books, entries),
        *as_asked(books, {prefix: int(fee) for prefix, fee in postgres.execute(ASKED)}),
        *pools(books, entries, fees, shown),
    ]


def paid_entries(postgres: Connection) -> dict[str, PaidEntry]:
    """Return the entry that each payment is for, by the payment's name."""
    return {prefix: PaidEntry(*row) for query in (WAITING, ENTRIES) for prefix, *row in postgres.execute(query)}


def bought(postgres: Connection) -> dict[tuple[int, str], int]:
    """Return what everybody bought, by account and kind of Buzz."""
    return {(account, kind): int(amount) for account, kind, amount in postgres.execute(BOUGHT)}


def conserved(books: BooksRead, purchases: Mapping[tuple[int, str], int]) -> list[Disagreement]:
    """Return where this does not hold: no Buzz was made or lost, and each account holds what moved through it left."""
    due = Counter(purchases)
    for one in books.moved:
        due[one.from_account, one.from_type] -= one.amount
        due[one.to_account, one.to_type] += one.amount
    findings = [
        Disagreement(
            Kind.WRONG, "balances", f"account {account} holds {amount} {kind} instead of {due[account, kind]}", 1
        )
        for (account, kind), amount in sorted({**dict.fromkeys(due, 0), **books.balances}.items())
        if amount != due[account, kind]
    ]
    there, came = sum(books.balances.values()), sum(purchases.values())
    if there != came:
        what = f"all accounts hold {there}, and {came} was bought"
        findings.append(Disagreement(Kind.WRONG, "all balances", what, abs(there - came)))
    return findings


def once(books: BooksRead, entries: Mapping[str, PaidEntry]) -> list[Disagreement]:
    """Return which entries were charged or refunded more than once, and what else moved out of the bank."""
    findings = []
    names = defaultdict[int | None, set[str]](set)
    for one in books.fees:
        paid = entries.get(one.prefix)
        # Of a payment that no entry is known for, its own name tells.
        if paid is None or paid.verdict != RETURNED:
            names[paid.entry if paid else _entry_of(one)].add(one.prefix)
    for entry, prefixes in sorted(names.items(), key=str):
        if entry is not None and len(prefixes) > 1:
            what = f"entry {entry} was charged under {' and '.join(sorted(prefixes))}"
            findings.append(Disagreement(Kind.TWICE, "charges", what, len(prefixes) - 1))
    for (prefix, kind), times in sorted(Counter((one.prefix, one.from_type) for one in books.fees).items()):
        if times > 1:
            findings.append(Disagreement(Kind.TWICE, "charges", f"{prefix} took {kind} {times} times", times - 1))
    for charge, times in sorted(Counter(str(one.refund_of) for one in books.refunds).items()):
        if times > 1:
            findings.append(Disagreement(Kind.TWICE, "refunds", f"charge {charge} went back {times} times", times - 1))
    findings += [
        Disagreement(Kind.TWICE, "payments", f"{one.external} pays {one.amount} to {one.to_account} for nothing", 1)
        for one in books.moved
        if one.from_account == BANK and one.refund_of is None and not (one.external or "").startswith(PRIZES)
    ]
    return findings


def as_asked(books: BooksRead, asked: Mapping[str, int]) -> list[Disagreement]:
    """Return where this does not hold: what the watcher took is what the crucible asked for, no less and no more."""
    took = Counter[str]()
    for one in books.fees:
        took[one.prefix] += one.amount
    return [
        Disagreement(Kind.WRONG, "charges", f"{prefix} took {took[prefix]} instead of {fee}", abs(took[prefix] - fee))
        for prefix, fee in sorted(asked.items())
        if took[prefix] not in {0, fee}  # nothing: who has too little, and who left before
    ]


def pools(
    books: BooksRead, entries: Mapping[str, PaidEntry], postgres: Mapping[int, int], clickhouse: Mapping[int, int]
) -> list[Disagreement]:
    """Return where what was collected and not given back is not the fees of those who are in, by entry and crucible.

    Args:
        books: the Buzz service's.
        entries: the entry that each payment is for.
        postgres: crucible -> sum of its verdicts' fees.
        clickhouse: crucible -> ``PrizePool``.
    """
    findings = []
    collected, pool = Counter[str](), Counter[int]()
    for one in books.held:
        paid = entries.get(one.prefix)
        if paid is None:
            what = f"{one.external} holds {one.amount} of user {one.from_account}, for no entry"
            findings.append(Disagreement(Kind.LOST, "refunds", what, 1))
        elif paid.verdict == "waiting":
            continue  # it is in no pool yet, and not to be given back
        elif paid.verdict != "admitted":
            what = f"entry {paid.entry} is {paid.verdict}, and {one.external} holds {one.amount}"
            findings.append(Disagreement(Kind.LOST, "refunds", what, 1))
        else:
            collected[one.prefix] += one.amount
            pool[paid.crucible] += one.amount
    for prefix, paid in sorted(entries.items()):
        if paid.fee != collected[prefix]:
            what = f"entry {paid.entry} adds {paid.fee}, and {collected[prefix]} was collected"
            findings.append(Disagreement(Kind.WRONG, "fees", what, abs(paid.fee - collected[prefix])))
    findings += compare_sums("pools by verdicts", pool, postgres)
    findings += compare_sums("pools in ClickHouse", pool, clickhouse)
    return findings


def _entry_of(fee: Movement) -> int | None:
    """Return the entry that the name of a fee of ours has; None of any other.

    >>> _entry_of(Movement("a", "crucible-entry-7-1001-User", 5, "User", 0, "User", 10))
    1001
    """
    if not fee.prefix.startswith(OURS):
        return None
    return int(fee.prefix.split("-")[3])
